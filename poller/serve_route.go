package poller

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A route is what can be done at a path, which is relative to where the server is.
type route struct {
	path    string // as OpenAPI has it
	depth   int    // how many segments it has
	methods []method
	allow   []string // the Allow header
}

type method struct {
	name string
	do   func(*exchange)
}

// method returns what to do, or nil.
func (r *route) method(name string) func(*exchange) {
	if name == http.MethodHead {
		name = http.MethodGet
	}
	for i := range r.methods {
		if r.methods[i].name == name {
			return r.methods[i].do
		}
	}
	return nil
}

// What a table has, in this order.
const (
	atStart = iota
	atList
	atBatch
	atOperation
	atResult
	atEvents
	atVerb // and further ones
)

var routes = tableOf([]route{
	atStart:     {path: "", methods: []method{{"POST", (*exchange).submit}}},
	atList:      {path: "/operations", depth: 1, methods: []method{{"GET", (*exchange).list}}},
	atBatch:     {path: "/operations:batchGet", depth: 1, methods: []method{{"POST", (*exchange).batchGet}}},
	atOperation: {path: "/operations/{id}", depth: 2, methods: []method{{"GET", (*exchange).show}, {"DELETE", (*exchange).cancelOrDelete}}},
	atResult:    {path: "/operations/{id}/result", depth: 3, methods: []method{{"GET", (*exchange).result}}},
	atEvents:    {path: "/operations/{id}/events", depth: 3, methods: []method{{"GET", (*exchange).events}}},
	atVerb:      {path: "/operations/{id}:cancel", depth: 2, methods: []method{{"POST", (*exchange).cancel}}},
})

func tableOf(table []route) []route {
	for i := range table {
		r := &table[i]
		var names []string
		for _, m := range r.methods {
			if names = append(names, m.name); m.name == http.MethodGet {
				names = append(names, http.MethodHead)
			}
		}
		r.allow = []string{strings.Join(append(names, http.MethodOptions), ", ")}
	}
	return table
}

// find returns the route of a path, which is escaped, the id in it, and what is before
// the route. A mux cannot do that: it has no {id}:cancel.
func find(table []route, path string) (*route, string, string) {
	rest, last := cutSegment(path)
	switch last {
	case "operations":
		return known(&table[atList]), "", rest
	case "operations:batchGet":
		return known(&table[atBatch]), "", rest
	}
	rest, middle := cutSegment(rest)
	if middle == "operations" {
		id, verb, ok := cutLast(last, ':')
		if !ok {
			return withID(&table[atOperation], last, rest)
		}
		for i := atVerb; i < len(table); i++ {
			if table[i].path == "/operations/{id}:"+verb {
				return withID(&table[i], id, rest)
			}
		}
		return nil, "", ""
	}
	if rest, first := cutSegment(rest); first == "operations" {
		switch last {
		case "result":
			return withID(&table[atResult], middle, rest)
		case "events":
			return withID(&table[atEvents], middle, rest)
		}
		return nil, "", ""
	}
	return known(&table[atStart]), "", strings.TrimRight(path, "/")
}

// known returns r unless the table has no such.
func known(r *route) *route {
	if r.methods == nil {
		return nil
	}
	return r
}

func withID(r *route, id, before string) (*route, string, string) {
	id, err := url.PathUnescape(id)
	if err != nil || id == "" || len(id) > maxID || slices.Contains([]byte(id), 0) {
		return nil, "", ""
	}
	return known(r), id, before
}

// maxID is how long an id may be.
const maxID = 256

// cutSegment cuts the last segment off a path.
func cutSegment(path string) (rest, last string) {
	rest, last, _ = cutLast(path, '/')
	return rest, last
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// base is the absolute URL of where the server is.
func (x *exchange) base() string {
	if x.s.opts.BaseURL != "" {
		return x.s.opts.BaseURL
	}
	// The path that was asked for, which StripPrefix and the like leave as it was.
	path, _, _ := strings.Cut(x.r.RequestURI, "?")
	if _, rest, ok := strings.Cut(path, "://"); ok && !strings.HasPrefix(path, "/") {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	if path == "" {
		path = x.r.URL.EscapedPath()
	}
	if x.route.depth == 0 {
		path = strings.TrimRight(path, "/")
	}
	for range x.route.depth {
		path, _ = cutSegment(path)
	}
	if x.r.Host == "" {
		return path
	}
	if x.r.TLS != nil {
		return "https://" + x.r.Host + path
	}
	return "http://" + x.r.Host + path
}

// at is the absolute URL of an operation. After a colon there are verbs.
func (x *exchange) at(id string) string {
	return x.base() + "/operations/" + strings.ReplaceAll(url.PathEscape(id), ":", "%3A")
}
