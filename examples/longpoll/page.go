package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed page
var files embed.FS

// page serves the page, whose script and style are files of their own: so no other can run
// in it.
func page() http.Handler {
	sub, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is above
	}
	h := http.FileServerFS(sub)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}

// commands are for a shell.
func commands(url string) string {
	const text = `  curl -i URL --json '{"title":"salt","pages":40}'
  at=URL/operations/...      # its Operation-Location
  curl $at                   # how far it is
  curl -H 'Prefer: wait=30' -H 'If-None-Match: "3"' $at   # the same, as soon as it is news
  curl -N $at/events         # all news, as they come
  curl -H 'Prefer: wait=30' $at/result                    # the report, as soon as it is there
  curl -X POST $at:cancel    # never mind
`
	return strings.ReplaceAll(text, "URL", url)
}

// bar is a progress bar of 20 characters.
func bar(percent float64) string {
	full := min(max(int(percent/5), 0), 20)
	return strings.Repeat("█", full) + strings.Repeat("░", 20-full)
}

func jsonOf(v any) io.Reader {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is one of ours
	}
	return bytes.NewReader(b)
}
