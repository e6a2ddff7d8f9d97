package wscallback_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

// A page that loads /antiphon.js may do
//
//	import { connect } from "/antiphon.js";
//	const price = await connect("/ws").ask("price", "kettle");
func ExampleScript() {
	mux := http.NewServeMux()
	mux.Handle("/antiphon.js", wscallback.Script())
	mux.Handle("/ws", wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, nil)
		callback.Serve(p, "price", func(context.Context, string) (float64, error) { return 39.90, nil }, nil)
		return p.Run(ctx)
	}, nil))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/antiphon.js", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output: 200 text/javascript; charset=utf-8
}
