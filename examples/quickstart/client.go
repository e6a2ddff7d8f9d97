package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/antiphon-go/antiphon"
)

// Client stands for a client that you have already: plain, synchronous, from
// before you heard of this library.
type Client struct {
	URL  string
	HTTP http.Client
}

// Forecast is what it answers.
type Forecast struct {
	Celsius int    `json:"celsius"`
	Sky     string `json:"sky"`
}

// ErrNoSuchCity tells a retry policy by its code that asking again is no use.
var ErrNoSuchCity = &antiphon.Error{
	Code:    antiphon.CodeNotFound,
	Reason:  "quickstart.no_such_city",
	Message: "no such city",
}

// Forecast asks and waits.
func (c *Client) Forecast(ctx context.Context, city string) (f Forecast, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"?city="+url.QueryEscape(city), nil)
	if err != nil {
		return f, err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return f, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		err = json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&f)
		return f, err
	case http.StatusNotFound:
		return f, ErrNoSuchCity
	}
	return f, fmt.Errorf("the station says %s", res.Status)
}

// visits remembers who has been here.
type visits struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (v *visits) first(who string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen == nil {
		v.seen = make(map[string]bool)
	}
	first := !v.seen[who]
	v.seen[who] = true
	return first
}
