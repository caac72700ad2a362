package paste

import "strings"

// heredoc is a here-document whose lines are still to come (IEEE 1003.1, Shell Command Language, 2.7.4).
type heredoc struct {
	end     string
	tabs    bool // <<-: leading tabs do not count
	kept    bool // the end is quoted: nothing is filled in
	command int  // index of the command it belongs to
}

func (r *scriptReader) heredocStart() {
	h := &heredoc{command: -1}
	if r.peek(0) == '-' {
		h.tabs = true
		r.take()
	}
	for r.peek(0) == ' ' || r.peek(0) == '\t' {
		r.take()
	}
	before := len(r.now.words)
	if r.at < len(r.src) && r.peek(0) != '\n' {
		r.word()
	}
	if len(r.now.words) > before {
		h.end, h.kept = r.now.words[before].text, r.now.words[before].quoted
		r.now.words = r.now.words[:before]
	}
	r.heredocs = append(r.heredocs, h)
}

// readHeredocs reads the documents announced on the line that has just ended.
func (r *scriptReader) readHeredocs() {
	pending := r.heredocs
	r.heredocs = nil
	for _, h := range pending {
		start := r.line
		var lines []string
		for r.at < len(r.src) {
			from := r.at
			for r.at < len(r.src) && r.src[r.at] != '\n' {
				r.take()
			}
			text := string(r.src[from:r.at])
			if r.at < len(r.src) {
				r.take()
			}
			if h.tabs {
				text = strings.TrimLeft(text, "\t")
			}
			if text == h.end {
				break
			}
			lines = append(lines, text)
		}
		if h.command >= 0 && h.command < len(r.commands) {
			c := &r.commands[h.command]
			c.input, c.inputLine, c.inputKept = strings.Join(lines, "\n"), start, h.kept
		}
	}
}
