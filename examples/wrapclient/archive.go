package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Archive stands for a client that others have made, and generated perhaps: a
// pointer to a struct in, one out, options behind, and errors with codes of its
// own. It cannot be changed, and need not be.
type Archive struct {
	URL  string
	HTTP http.Client
}

// A GetPageInput is what to get.
type GetPageInput struct{ Key string }

// A GetPageOutput is what was got.
type GetPageOutput struct{ Text string }

// An Option changes one request.
type Option func(*http.Request)

// InLanguage asks for a translation.
func InLanguage(tag string) Option {
	return func(r *http.Request) { r.Header.Set("Accept-Language", tag) }
}

// An APIError is how the archive fails.
type APIError struct{ Code string }

func (e *APIError) Error() string { return "archive: " + e.Code }

// GetPage gets a page.
func (a *Archive) GetPage(ctx context.Context, in *GetPageInput, opts ...Option) (*GetPageOutput, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/page/"+in.Key, nil)
	if err != nil {
		return nil, err
	}
	for _, opt := range opts {
		opt(req)
	}
	res, err := a.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	switch {
	case err != nil:
		return nil, fmt.Errorf("archive: %w", err)
	case res.StatusCode == http.StatusServiceUnavailable:
		return nil, &APIError{"ServiceUnavailable"}
	case res.StatusCode != http.StatusOK:
		return nil, &APIError{"NoSuchKey"}
	}
	return &GetPageOutput{Text: string(text)}, nil
}
