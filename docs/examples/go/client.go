package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const patience = 30 * time.Second // of a call, with all its attempts

// refusal: it did not happen, and no copy of it will: the problem says why, and how the order stands.
type refusal struct {
	Name  string `json:"error"`
	Order struct{ State string }
}

func (r *refusal) Error() string {
	if r.Order.State == "" {
		return r.Name + " the order is not known"
	}
	return r.Name + " the order is " + r.Order.State
}

// errUnknown: it may have happened or not. Call again with the same arguments, or read the order.
var errUnknown = errors.New("unknown")

func urls() []string {
	if text := os.Getenv("ORDERSCHED_URLS"); text != "" {
		return strings.Split(text, ",")
	}
	return []string{"http://127.0.0.1:7402"}
}

// attempt is one request to one node. Not done and no error: try again after the pause.
func attempt(client *http.Client, method, url string, body []byte, into any) (bool, time.Duration, error) {
	pause := 200 * time.Millisecond
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token := os.Getenv("ORDERSCHED_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return false, pause, nil // no connection
	}
	defer answer.Body.Close()
	decoder := json.NewDecoder(answer.Body)
	switch {
	case answer.StatusCode/100 == 2:
		return decoder.Decode(into) == nil, pause, nil // else no whole answer
	case answer.StatusCode == 429 || answer.StatusCode == 503 || answer.StatusCode == 504:
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
			pause = time.Duration(seconds) * time.Second
		}
		return false, pause, nil
	}
	refused := &refusal{}
	if decoder.Decode(refused) != nil {
		return false, pause, nil
	}
	return false, 0, refused
}

// call asks, and repeats it as it is on the next node, since any node takes any request, until it is answered. So
// give it only what may be repeated: PUT, pay, cancel, settle, reads; all else wants an Idempotency-Key.
func call(method, path string, body, into any, timeoutS int) error {
	data := []byte{}
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	client := &http.Client{Timeout: time.Duration(timeoutS) * time.Second}
	until := time.Now().Add(patience)
	nodes := urls()
	for i := 0; ; i++ {
		done, pause, err := attempt(client, method, nodes[i%len(nodes)]+path, data, into)
		if done || err != nil {
			return err
		}
		if time.Now().Add(pause).After(until) {
			return errUnknown
		}
		time.Sleep(pause)
	}
}

func orderPath(order string) string { return "/v1/orders/" + url.PathEscape(order) }
