// Package queueweb shows queues in a browser: how many jobs are where, how many are done
// in a minute, what became of one, and which were given up and why.
//
// # Mount it
//
//	mux.Handle("/queues/", http.StripPrefix("/queues", queueweb.Handler(backend, []string{"mails", "thumbnails"}, nil)))
//
// # Read it as JSON
//
// Every page is JSON too, for who asks for application/json:
//
//	GET  /                      the queues, with their numbers
//	GET  /{queue}               one of them, its latest jobs (?state=…&after=…) and dead letters
//	GET  /{queue}?id=…          goes to the job of that id
//	GET  /{queue}/{id}          a job
//	POST /{queue}/pause         and /resume
//	POST /{queue}/redrive       dead letters: those of the form's id fields, or id=*
//	POST /{queue}/drop          likewise
//	POST /{queue}/{id}/cancel
//
// # What is promised
//
// Names and ids are path segments, escaped. Pages have no script; a
// Content-Security-Policy allows none, and forms of other origins are refused (see
// http.CrossOriginProtection). Payloads, results and texts are cut at Options.MaxShown.
//
// # What to mind
//
// Put your own authentication in front of it: whoever reaches the handler sees what its
// options show. It shows, and changes nothing, unless Options.Write is set; then dead
// letters can be redriven or dropped, jobs canceled, and queues paused.
package queueweb
