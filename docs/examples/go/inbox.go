package main

import (
	"fmt"
	"os"
	"strings"
)

// The inbox: which idempotency keys were done, and what was answered. A file here, a line each, as Go's own library
// has no database; in a shop it is a table, and the effect is in the same transaction.
type inbox struct {
	file    *os.File
	answers map[string]string
	fences  map[string][2]uint64 // of an order, the highest seen
}

func openInbox(path string) (*inbox, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	whole := text[:strings.LastIndexByte(string(text), '\n')+1] // the rest was not on disk: nobody was told of it
	if err = file.Truncate(int64(len(whole))); err == nil {
		_, err = file.Seek(0, 2)
	}
	in := &inbox{file, map[string]string{}, map[string][2]uint64{}}
	in.remember(string(whole))
	return in, err
}

func (in *inbox) remember(lines string) {
	for _, line := range strings.Split(strings.TrimSuffix(lines, "\n"), "\n") {
		field := strings.SplitN(line, "\t", 3)
		if len(field) < 3 {
			continue
		}
		if field[0] == "fence" {
			in.fences[field[2]], _ = parseFence(field[1])
		} else {
			in.answers[field[0]] = field[1]
		}
	}
}

// parseFence reads EPOCH.INDEX, two numbers that are compared in this order, not as text.
func parseFence(text string) (fence [2]uint64, err error) {
	_, err = fmt.Sscanf(text, "%d.%d", &fence[0], &fence[1])
	return
}

// isOld: lower than one that was seen for the order, so it comes from a leader that has been replaced.
func (in *inbox) isOld(order string, fence [2]uint64) bool {
	seen := in.fences[order]
	return fence[0] < seen[0] || fence[0] == seen[0] && fence[1] < seen[1]
}

// record is on disk when it returns. Without an answer only the fence is kept, without a fence only the answer.
func (in *inbox) record(key, answer, order, fence string) error {
	name := strings.Join(strings.Fields(order), " ")
	lines := ""
	if fence != "" {
		lines += "fence\t" + fence + "\t" + name + "\n"
	}
	if answer != "" {
		lines += key + "\t" + answer + "\t" + name + "\n"
	}
	_, err := in.file.WriteString(lines)
	if err == nil {
		err = in.file.Sync()
	}
	if err == nil {
		in.remember(lines)
	}
	return err
}
