package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The payment platform is a directory, so that you can try this out: a file named like the order says "paid" or
// "processing"; where there is none the payment is still open. Replace closePayment by calls to yours.
type receiver struct {
	lock     sync.Mutex
	inbox    *inbox
	payments string
}

const tolerance = 5 * time.Minute // an older timestamp is a replay

// isGenuine: Standard Webhooks, v1,base64(HMAC-SHA256(secret, id.timestamp.body)), and not too old.
func isGenuine(h http.Header, body []byte) bool {
	seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	for _, secret := range strings.Fields(os.Getenv("SECRET")) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			continue
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "."))
		mac.Write(body)
		known := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		for _, sent := range strings.Fields(h.Get("webhook-signature")) {
			if hmac.Equal([]byte(known), []byte(sent)) {
				return true
			}
		}
	}
	return false
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

// closePayment queries the payment, closes it if it is open, and only then answers. May be asked again.
func (r *receiver) closePayment(order string) (string, error) {
	if !plainName.MatchString(order) {
		return "expired", nil // no such payment was ever opened
	}
	path := filepath.Join(r.payments, order)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // whoever comes first
	if err == nil {
		_, err = file.WriteString("closed")
		file.Close()
		return "expired", err
	}
	if !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	state, err := os.ReadFile(path)
	switch strings.TrimSpace(string(state)) {
	case "paid":
		return "paid", err
	case "closed":
		return "expired", err
	}
	return "later", err // being processed: nobody can close it now
}

func (r *receiver) settle(key, fenceText, order string) (string, error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	fence, err := parseFence(fenceText)
	if err != nil || r.inbox.isOld(order, fence) {
		return "failed", nil
	}
	if before := r.inbox.answers[key]; before != "" {
		return before, r.inbox.record(key, "", order, fenceText)
	}
	outcome, err := r.closePayment(order)
	if err != nil {
		return "", err
	}
	// Here the stock is released if the outcome is "expired": in one transaction with the key.
	if outcome == "later" {
		return outcome, r.inbox.record(key, "", order, fenceText)
	}
	return outcome, r.inbox.record(key, outcome, order, fenceText)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var event struct {
		Type string
		Data struct {
			OrderID       string `json:"order_id"`
			OrderIDBase64 string `json:"order_id_base64"`
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, 1<<20))
	if err != nil || !isGenuine(request.Header, body) {
		http.Error(w, `{"error":"not genuine"}`, http.StatusUnauthorized)
		return
	}
	if json.Unmarshal(body, &event) != nil || event.Type != "order.expired" {
		http.Error(w, `{"error":"malformed"}`, http.StatusBadRequest)
		return
	}
	order := event.Data.OrderID
	if order == "" {
		order = "base64:" + event.Data.OrderIDBase64
	}
	outcome, err := r.settle(request.Header.Get("webhook-id"), request.Header.Get("orderschedd-fence"), order)
	answer := map[string]any{"outcome": outcome}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case err != nil:
		http.Error(w, `{"error":"try again"}`, http.StatusInternalServerError)
		return
	case outcome == "later":
		answer["delay_ms"] = 2000
	case outcome == "failed":
		answer["reason"] = "a newer fence was seen"
		w.WriteHeader(http.StatusConflict)
	}
	json.NewEncoder(w).Encode(answer)
}
