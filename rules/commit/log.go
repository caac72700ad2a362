package commit

import (
	"fmt"
	"log/syslog"
	"strings"
	"sync"
	"unicode"
)

// logger tells the system log, where there is one, what becomes of changes.
type logger struct {
	once sync.Once
	out  *syslog.Writer
}

func (l *logger) say(text string) {
	l.once.Do(func() { l.out, _ = syslog.New(syslog.LOG_NOTICE|syslog.LOG_AUTHPRIV, "nattui") })
	if l.out != nil {
		_ = l.out.Notice(strings.Map(printable, text))
	}
}

// printable keeps what somebody put into a rule from forging lines of the log.
func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) { // also C1, and what reorders or hides text
		return ' '
	}
	return r
}

func (l *logger) write(e *Entry) { l.say(sentenceOf(e)) }

// sentenceOf is what the system log is told of an entry.
func sentenceOf(e *Entry) string {
	text := fmt.Sprintf("change %s%s is %s", e.ID, whose(*e), e.State)
	if !e.Deadline.IsZero() {
		text += " until " + e.Deadline.Format("15:04:05") + " unless confirmed"
	}
	if e.Result != "" {
		text += " (" + e.Result + ")"
	}
	const most = 8
	commands := e.Commands()
	if len(commands) > most {
		commands = append(commands[:most:most], fmt.Sprintf("and %d more", len(commands)-most))
	}
	what := strings.Join(commands, "; ")
	if what == "" {
		what = e.Summary()
		for i, f := range e.Files {
			if i == most {
				what += fmt.Sprintf(" and %d more files", len(e.Files)-most)
				break
			}
			what += " " + f.Path
		}
	}
	return text + ": " + strings.TrimSpace(what)
}
