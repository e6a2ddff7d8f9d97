package callback_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// A shop asks a bank for money. The bank takes its time, and calls back.
func ExampleNewRegistry() {
	payments := callback.NewRegistry[string](&callback.RegistryOptions{TTL: time.Hour})
	defer payments.Close(nil)

	ask := func(amount int, id callback.ID) { // stands for the bank
		_ = payments.Resolve(id, fmt.Sprintf("receipt for %d", amount))
	}

	id, paid, err := payments.Expect(context.Background(), 0) // before it can be answered
	if err != nil {
		fmt.Println("not asked:", err)
		return
	}
	go ask(42, id)

	receipt, err := paid.Await(context.Background())
	fmt.Println(receipt, err)
	// Output: receipt for 42 <nil>
}

// Nobody waits for ever.
func ExampleRegistry_Expect() {
	var payments callback.Registry[string]

	_, paid, _ := payments.Expect(context.Background(), time.Millisecond)

	_, err := paid.Await(context.Background())
	fmt.Println(err)
	fmt.Println(errors.Is(err, callback.ErrExpired), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// callback: no answer in time
	// true true
}

// One answer is taken; whoever brings another learns why it is not.
func ExampleRegistry_Resolve() {
	var payments callback.Registry[string]
	defer payments.Close(nil)

	id, paid, _ := payments.Expect(context.Background(), time.Minute)
	fmt.Println(payments.Resolve(id, "receipt 1"))
	fmt.Println(payments.Resolve(id, "receipt 2"))
	fmt.Println(payments.Resolve(callback.ID{}, "receipt 3"))

	receipt, _ := paid.Await(context.Background())
	fmt.Println(receipt)
	// Output:
	// <nil>
	// callback: answered already
	// callback: no such expectation
	// receipt 1
}

// The answer may be an error: here the bank has none but bad news.
func ExampleRegistry_Reject() {
	var payments callback.Registry[string]
	defer payments.Close(nil)

	id, paid, _ := payments.Expect(context.Background(), time.Minute)
	_ = payments.Reject(id, errors.New("the card has expired"))

	_, err := paid.Await(context.Background())
	fmt.Println(err)
	// Output: the card has expired
}

// An ID is in the address that the bank calls when a payment is done.
func ExampleParseID() {
	var payments callback.Registry[string]
	defer payments.Close(nil)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /paid/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := callback.ParseID(r.PathValue("id"))
		if err == nil {
			err = payments.Resolve(id, r.FormValue("receipt"))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		fmt.Fprintln(w, "thanks")
	})

	id, paid, _ := payments.Expect(context.Background(), time.Minute)
	for _, address := range []string{
		"/paid/" + id.String() + "?receipt=17",
		"/paid/" + id.String() + "?receipt=18",
		"/paid/everything?receipt=19",
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("POST", address, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	receipt, _ := paid.Await(context.Background())
	fmt.Println("receipt", receipt)
	// Output:
	// 200 thanks
	// 404 callback: answered already
	// 404 callback: an id has 22 characters of base64url
	// receipt 17
}
