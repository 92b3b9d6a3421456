// A shop's side of orderschedd over HTTP, with Go's own library alone (1.19 or newer).
//
//	go build -o shop .
//	export ORDERSCHED_URLS=http://127.0.0.1:7402,http://127.0.0.1:7412,http://127.0.0.1:7422
//	./shop schedule order-1 30m cancel-unpaid '{"sku":7}'
//	./shop pay order-1
//	./shop work warehouse work.inbox                      # cancels what is due, until SIGTERM
//	SECRET=whsec_... ./shop receive 127.0.0.1:7460 shop.inbox payments/
//
// `receive` verifies signature and timestamp, does each order once by its idempotency key, refuses old fences, closes
// the payment before it releases the stock, and answers; one order a request: for a route without --batch.
//
// Exit code 1: refused for good; 3: unknown, the time ran out. ORDERSCHED_TOKEN is sent where it is set.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
)

type job struct{ Token, Key, ID string }

type report struct {
	Token   string `json:"token"`
	Outcome string `json:"outcome"`
}

// cancelOnce has one effect, however often the order is given out. Here you would first close the payment at the
// platform: docs/callbacks.md.
func cancelOnce(in *inbox, j job) (report, error) {
	if in.answers[j.Key] == "" {
		if err := in.record(j.Key, "expired", j.ID, ""); err != nil {
			return report{}, err
		}
	}
	return report{j.Token, "expired"}, nil
}

func work(route, path string) error {
	in, err := openInbox(path)
	if err != nil {
		return err
	}
	for {
		var got struct{ Jobs []job }
		var settled struct{ Results []struct{ Error, State string } }
		ask := map[string]any{"max": 10, "wait": "20s", "worker": "go"}
		err := call("POST", "/v1/routes/"+route+"/reserve", ask, &got, 25)
		if err == nil && len(got.Jobs) > 0 {
			reports := make([]report, len(got.Jobs))
			for i, j := range got.Jobs {
				if reports[i], err = cancelOnce(in, j); err != nil {
					return err
				}
			}
			err = call("POST", "/v1/routes/"+route+"/settle", map[string]any{"reports": reports}, &settled, 10)
		}
		if err != nil && !errors.Is(err, errUnknown) {
			return err // else: what was reserved comes again, under the same keys
		}
		for i, result := range settled.Results {
			if result.Error != "OK" {
				result.State = "comes again"
			}
			fmt.Println(got.Jobs[i].ID, result.State)
		}
	}
}

func run(args []string) error {
	var order struct {
		State       string
		RemainingMs int64 `json:"remaining_ms"`
	}
	switch {
	case len(args) == 5 && args[0] == "schedule":
		body := map[string]any{"delay": args[2], "route": args[3], "payload": json.RawMessage(args[4])}
		err := call("PUT", orderPath(args[1]), body, &order, 10)
		if err == nil {
			fmt.Println(order.State, order.RemainingMs, "ms left")
		}
		return err
	case len(args) == 2 && args[0] == "pay":
		err := call("POST", orderPath(args[1])+"/pay", nil, &order, 10)
		if err == nil {
			fmt.Println(order.State)
		}
		return err
	case len(args) == 3 && args[0] == "work":
		return work(args[1], args[2])
	case len(args) == 4 && args[0] == "receive":
		in, err := openInbox(args[2])
		if err != nil {
			return err
		}
		return http.ListenAndServe(args[1], &receiver{inbox: in, payments: args[3]})
	}
	return errors.New("usage: shop schedule ORDER DELAY ROUTE JSON | pay ORDER | work ROUTE INBOX |" +
		" receive HOST:PORT INBOX PAYMENTS")
}

func main() {
	err := run(os.Args[1:])
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		fmt.Println(refused)
		os.Exit(1)
	case errors.Is(err, errUnknown):
		fmt.Println("UNKNOWN")
		os.Exit(3)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
