package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func Example() {
	main()
	// Unordered output:
	// asked; the kettle is on
	//           attempt 1 failed (the station says 503 Service Unavailable), another follows
	//           attempt 1 failed (the station says 503 Service Unavailable), another follows
	//           attempt 1 failed (the station says 503 Service Unavailable), another follows
	//           attempt 1 failed (the station says 503 Service Unavailable), another follows
	// Atlantis  there is no such place
	// Bergen     9 °C, clear
	// Dakar     28 °C, clear
	// Athens    31 °C, clear
	// Cádiz     24 °C, clear
}

// The same with calls that wait: one after another, and the kettle as well.
func Example_synchronous() {
	server := httptest.NewServer(new(station))
	defer server.Close()
	client := &Client{URL: server.URL}

	forecast := future.With(client.Forecast, &future.Policy{
		Timeout:     2 * time.Second,
		Attempts:    3,
		Backoff:     antiphon.Exponential(20*time.Millisecond, 80*time.Millisecond),
		Concurrency: 3,
		Observer:    report,
	})

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cities := []string{"Athens", "Bergen", "Cádiz", "Dakar", "Atlantis"}
	for _, city := range cities {
		got, err := forecast(ctx, city)
		tell(city, got, err)
	}
	fmt.Println("asked; the kettle is on")
	// Output:
	//           attempt 1 failed (the station says 503 Service Unavailable), another follows
	// Athens    31 °C, clear
	//           attempt 1 failed (the station says 503 Service Unavailable), another follows
	// Bergen     9 °C, clear
	//           attempt 1 failed (the station says 503 Service Unavailable), another follows
	// Cádiz     24 °C, clear
	//           attempt 1 failed (the station says 503 Service Unavailable), another follows
	// Dakar     28 °C, clear
	// Atlantis  there is no such place
	// asked; the kettle is on
}
