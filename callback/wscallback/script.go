package wscallback

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // of the client
	"encoding/base64"
	"net/http"
	"time"
)

//go:embed antiphon.js
var script []byte

// Script serves the client for browsers, an ES module:
//
//	http.Handle("/antiphon.js", wscallback.Script())
//
//	import { connect } from "/antiphon.js";
//	const peer = connect("/ws");
//
// It speaks the text form of messages, asks and answers, and is documented in the
// file itself. Browsers keep it and ask whether it has changed.
//
// Concurrency: any number of requests at once.
func Script() http.Handler {
	sum := sha256.Sum256(script)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(script))
	})
}
