package queueweb

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed queueweb.css *.html
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"ago":   ago,
	"when":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"count": count,
	"spark": spark,
	"short": func(id string) string { return id[:min(len(id), 10)] },
}).ParseFS(files, "*.html"))

func (h *handler) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, files, "queueweb.css")
}

// view is what a template gets.
type view struct {
	Title string
	Page  answer
	Write bool
	Home  string
	Now   time.Time
	r     *http.Request
}

// At is the path of a page.
func (v view) At(segments ...string) string { return at(v.r, segments...) }

func (h *handler) render(w http.ResponseWriter, r *http.Request, a answer) {
	var page bytes.Buffer
	v := view{Title: h.opts.Title, Page: a, Home: at(r), Now: h.opts.Clock.Now(), r: r}
	v.Write = h.opts.Write != nil && h.opts.Write(r) == nil
	if err := templates.ExecuteTemplate(&page, a.template()+".html", v); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	_, _ = page.WriteTo(w)
}

// count is a number for people; -1 is one that is not known.
func count(n any) string {
	s := fmt.Sprint(n)
	if s[0] == '-' {
		return "?"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// ago is a duration for people.
func ago(d time.Duration) string {
	switch {
	case d < 0:
		return "?"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// spark draws numbers as a line, 180 by 32.
func spark(ns []int) template.HTML {
	top, total := 1, 0
	for _, n := range ns {
		top, total = max(top, n), total+n
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" viewBox="0 0 180 32" preserveAspectRatio="none" role="img" aria-label="%d jobs ended in %d minutes, at most %d in one">`, total, len(ns), top)
	b.WriteString(`<polyline points="`)
	for i, n := range ns {
		fmt.Fprintf(&b, "%.1f,%.1f ", float64(i)*180/float64(max(len(ns)-1, 1)), 30-28*float64(n)/float64(top))
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()) // numbers only
}
