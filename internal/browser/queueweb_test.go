package browser_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/internal/browser"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/queueweb"
)

// A person looks at a queue, follows a link to a dead letter, and redrives it.
func TestQueuesInChromium(t *testing.T) {
	jobs := queue.Memory(nil)
	defer jobs.Close()
	mails, err := queue.New[string, string]("mails", jobs, &queue.Options{Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer mails.Close()
	mended, again := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- mails.Work(ctx, func(_ context.Context, to string) (string, error) {
			select {
			case <-mended:
				close(again)
				return "sent to " + to, nil
			default:
				return "", errors.New("<b>no</b> such mailbox")
			}
		}, nil)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	job, err := mails.Submit(ctx, "ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = job.Await(ctx)

	mux := http.NewServeMux()
	mux.Handle("/admin/queues/", http.StripPrefix("/admin/queues", queueweb.Handler(jobs, []string{"mails"}, &queueweb.Options{
		Write: func(*http.Request) error { return nil },
	})))
	s := httptest.NewServer(mux)
	defer s.Close()
	b := browser.Start(t)
	look := func(url string, expressions ...string) *browser.Page {
		t.Helper()
		page := b.Open(t, url)
		for _, e := range expressions {
			page.Until(t, e)
		}
		return page
	}
	follow := func(p *browser.Page, link string) (url string) {
		t.Helper()
		p.Eval(t, `document.querySelector("`+link+`").href`, &url)
		return url
	}
	index := look(s.URL+"/admin/queues/", `document.querySelector("h2 a").textContent === "mails"`)
	url := follow(index, "h2 a")
	list := look(url,
		`location.pathname === "/admin/queues/mails"`,
		`document.body.innerText.includes("<b>no</b> such mailbox")`, // and is no markup
		`getComputedStyle(document.querySelector(".numbers")).display === "flex"`)
	letter := look(follow(list, "tbody a"),
		`document.querySelector("h1 code").textContent === "`+job.ID()+`"`,
		`document.querySelector("pre").textContent === '"ada"'`)
	close(mended)
	list.Eval(t, `document.querySelector("input[type=checkbox]").click()`, nil)
	list.Click(t, `button[formaction$="redrive"]`)
	wait, cancelWait := context.WithTimeout(ctx, time.Minute)
	defer cancelWait()
	select {
	case <-again:
	case <-wait.Done():
		t.Fatal("it was not redriven")
	}
	if v, err := mails.Attach(job.ID()).Await(wait); v != "sent to ada" || err != nil {
		t.Error(v, err)
	}
	after := look(url, `document.querySelector("input[type=checkbox]") === null`, `document.querySelector(".succeeded") !== null`)
	for _, page := range []*browser.Page{index, letter, after} {
		if wrong := page.Wrong(); len(wrong) > 0 {
			t.Error(wrong)
		}
	}
}
