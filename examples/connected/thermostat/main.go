// Thermostat is a hub, a device and an app for the phone: three processes that talk
// over WebSocket, each of which asks and answers.
//
//	go run ./thermostat demo                       # hub and device; then open the page it names
//
// or, each in a terminal of its own:
//
//	go run ./thermostat hub -listen 127.0.0.1:8080
//	go run ./thermostat device -hub http://127.0.0.1:8080
//
// Run it in examples/connected of a clone, and end it with an interrupt (Ctrl-C).
//
// The device is a heater with a sensor in a room that is simulated. It pushes 1000
// readings a second, which may be lost, and answers commands meanwhile. The hub acts
// on readings that are at most 100 ms old: it asks the device to heat, or not to. The
// phone is a web page that the hub serves, with the client of wscallback.Script. It
// shows what the hub knows, asks it for another temperature, and is asked back
// whether that is meant, if it is a hot one.
//
// The hub prints how long commands take while the telemetry flows.
//
// With THERMOSTAT_TOKEN in the environment, the hub accepts devices that know it
// alone. Whoever reaches the hub may open the page, so it listens on this machine
// only unless told otherwise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(log.Ltime | log.Lmsgprefix)
	log.SetPrefix("thermostat: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// run does what args say until ctx ends.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: thermostat hub|device|demo [flags]")
	}
	flags := flag.NewFlagSet("thermostat "+args[0], flag.ContinueOnError)
	token := os.Getenv("THERMOSTAT_TOKEN")
	switch args[0] {
	case "hub":
		listen := flags.String("listen", "127.0.0.1:8080", "the address to listen on")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		log.SetPrefix("hub: ")
		return runHub(ctx, *listen, token)
	case "device":
		hub := flags.String("hub", "http://127.0.0.1:8080", "the address of the hub")
		rate := flags.Int("rate", 1000, "readings a second")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		log.SetPrefix("device: ")
		return runDevice(ctx, *hub, token, *rate)
	case "demo":
		listen := flags.String("listen", "127.0.0.1:8080", "the address that the hub listens on")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		log.SetPrefix("demo: ")
		return runDemo(ctx, *listen)
	}
	return fmt.Errorf("there is no %q: hub, device or demo", args[0])
}
