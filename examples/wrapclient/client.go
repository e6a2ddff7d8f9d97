package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/antiphon-go/antiphon"
)

// Client stands for a client that you have already, on net/http: plain and
// synchronous. All that it was given for this library is in what it says of its
// errors: StatusError.AntiphonError, RetryAfter, and lost.
type Client struct {
	URL  string
	HTTP http.Client
}

// Price asks what an item costs.
func (c *Client) Price(ctx context.Context, item string) (cents int, err error) {
	err = c.do(ctx, http.MethodGet, "/price/"+item, &cents)
	return cents, err
}

// Buy buys an item, and returns the number of the order.
func (c *Client) Buy(ctx context.Context, item string) (order int, err error) {
	err = c.do(ctx, http.MethodPost, "/buy/"+item, &order)
	return order, err
}

func (c *Client) do(ctx context.Context, method, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, nil)
	if err != nil {
		return err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return lost(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	switch {
	case err != nil:
		return lost(ctx, err)
	case res.StatusCode != http.StatusOK:
		err = &StatusError{res.StatusCode}
		if after, ok := retryAfter(res.Header); ok {
			err = antiphon.RetryAfter(err, after)
		}
		return err
	}
	return json.Unmarshal(body, answer)
}

// A StatusError is a response that is not an answer.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("the shop says %d %s", e.Status, http.StatusText(e.Status))
}

// AntiphonError says what the status means: what kind of error it is, and whether
// the request was done.
func (e *StatusError) AntiphonError() *antiphon.Error {
	meaning := &antiphon.Error{Message: e.Error()}
	switch e.Status {
	case http.StatusNotFound:
		meaning.Code = antiphon.CodeNotFound
	case http.StatusConflict:
		meaning.Code = antiphon.CodeFailedPrecondition
	case http.StatusTooManyRequests:
		meaning.Code, meaning.Class = antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		meaning.Code = antiphon.CodeUnavailable
	}
	return meaning
}

// lost says what it means that no response came: nothing was done if there was no
// connection, and nobody knows if there was one. If it is for ctx, err says so.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	out := antiphon.Errorf(antiphon.CodeUnavailable, "%w", err)
	out.Class = antiphon.ClassUnknown
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		out.Class = antiphon.ClassNotAccepted
	}
	return out
}

// retryAfter reads the header Retry-After: seconds, or a date.
func retryAfter(h http.Header) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at)), true
	}
	return 0, false
}
