// Quickstart wraps a synchronous HTTP client that knows nothing of futures, asks
// it five things at once, and goes on working until the answers are there. The
// server it asks is started here too; it is slow, and fails now and then.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func main() {
	server := httptest.NewServer(new(station))
	defer server.Close()
	client := &Client{URL: server.URL}

	forecast := future.Lift(client.Forecast, &future.Policy{
		Timeout:     2 * time.Second,                                                // an attempt
		Attempts:    3,                                                              // at the most
		Backoff:     antiphon.Exponential(20*time.Millisecond, 80*time.Millisecond), // between them
		Concurrency: 3,                                                              // calls at once
		Observer:    report,
	})

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cities := []string{"Athens", "Bergen", "Cádiz", "Dakar", "Atlantis"}
	asked := make([]*future.Future[Forecast], len(cities))
	for i, city := range cities {
		asked[i] = forecast(ctx, city) // returns at once
	}
	fmt.Println("asked; the kettle is on")

	for i, got := range future.AsCompleted(ctx, asked...) {
		tell(cities[i], got.Value, got.Err)
	}
}

// tell prints what became of a question.
func tell(city string, f Forecast, err error) {
	switch {
	case errors.Is(err, ErrNoSuchCity):
		fmt.Printf("%-9s there is no such place\n", city)
	case err != nil:
		log.Fatalf("%s: %v (%s)", city, err, antiphon.ClassOf(err))
	default:
		fmt.Printf("%-9s %2d °C, %s\n", city, f.Celsius, f.Sky)
	}
}

// report prints what the policy does on the way.
func report(e antiphon.Event) {
	if e.Name == "future.retry" {
		fmt.Printf("          attempt %d failed (%v), another follows\n", e.Attempt, e.Err)
	}
}

// station is a weather station on the web that is never there at first.
type station struct{ visits visits }

func (s *station) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	city := r.URL.Query().Get("city")
	celsius, known := map[string]int{"Athens": 31, "Bergen": 9, "Cádiz": 24, "Dakar": 28}[city]
	time.Sleep(50 * time.Millisecond)
	switch {
	case !known:
		http.NotFound(w, r)
	case s.visits.first(city):
		w.Header().Set("Retry-After", "0")
		http.Error(w, "warming up", http.StatusServiceUnavailable)
	default:
		fmt.Fprintf(w, `{"celsius":%d,"sky":"clear"}`, celsius)
	}
}
