package poller

import (
	"net/http"
	"net/url"

	"github.com/antiphon-go/antiphon"
)

// The styles of following: what an answer means.
const (
	styleStatus   = "status"   // a status document, always with 200
	styleLocation = "location" // the code: 202 while it runs, else the result
	styleAIP      = "aip"      // an operation of AIP-151, always with 200
)

// The words of HTTPOptions.Final.
const (
	viaAzure     = "azure-async-operation"
	viaOperation = "operation-location"
	viaLocation  = "location"
	viaOriginal  = "original-uri"
)

// errNoPointer: it was accepted, and nobody can tell where to look for it.
var errNoPointer error = &antiphon.Error{
	Code:      antiphon.CodeUnimplemented,
	Class:     antiphon.ClassUnknown,
	Reason:    "poller.no_pointer",
	Message:   "poller: 202 Accepted, without a URL of what was accepted",
	Permanent: true,
}

// pointerOf is where a response says to look next, and in which style: the most
// telling of its pointers. Location and Content-Location mean something else where the
// code is not 202.
func pointerOf(resp *http.Response) (style, to string) {
	for _, name := range [...]string{"Operation-Location", "Azure-Asyncoperation"} {
		if to := resp.Header.Get(name); to != "" {
			return styleStatus, to
		}
	}
	if resp.StatusCode != http.StatusAccepted {
		return "", ""
	}
	if to := resp.Header.Get("Location"); to != "" {
		return styleLocation, to
	}
	if to := resp.Header.Get("Content-Location"); to != "" {
		return styleStatus, to
	}
	return "", ""
}

// A ref is where an operation is followed, and how far: what a token holds.
type ref struct {
	style  string
	home   string   // the origin that credentials go to
	method string   // of the start
	start  *url.URL // what was asked first
	url    *url.URL // the status monitor, or whatever takes its place
	result *url.URL // what Location named in the beginning; may be nil
	fetch  *url.URL // it has succeeded, and this is where the result is; or nil
	id     string
	seen   bool  // it was found at url
	last   int64 // the version that was seen last
	via    string
}

// resultAt is where the result is of an operation that has succeeded, or nil if there is
// none but what the status holds.
func (c *caller) resultAt(at *ref, op antiphon.Operation) (*url.URL, error) {
	switch at.via {
	case viaAzure, viaOperation:
		return nil, nil
	case viaLocation:
		return at.result, nil
	case viaOriginal:
		return at.start, nil
	}
	switch {
	case op.Result != nil || at.style == styleAIP:
		return nil, nil
	case op.Location != "":
		return c.pointed(at.home, at.url, op.Location)
	case at.method == http.MethodDelete:
		return nil, nil
	case at.result != nil:
		return at.result, nil
	case at.method == http.MethodPut || at.method == http.MethodPatch:
		return at.start, nil
	}
	return nil, nil
}
