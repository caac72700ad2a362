package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/mission"
)

// Session is the lab as somebody in it sees it: its map, what can be sent there, and the missions.
// All methods may be called concurrently, by several processes of one lab as well.
type Session struct {
	network *Network
	at      next
}

// Inside is the lab that this process lives in. The error says that it lives in none, or that its
// machines cannot be reached.
func Inside() (*Session, error) {
	n, err := Attach()
	if err != nil {
		return nil, err
	}
	s := &Session{network: n, at: next{Mission: os.Getenv(missionVariable)}}
	if s.at.Mission == "" {
		s.at.Scenario = os.Getenv(ScenarioVariable)
	}
	return s, nil
}

// Close lets go of the machines.
func (s *Session) Close() error { return s.network.Close() }

// Name is the scenario's or the mission's name.
func (s *Session) Name() string { return s.at.name() }

// Mission is the mission that the lab was begun with, and false where that was a scenario.
func (s *Session) Mission() (mission.Mission, bool) {
	m, err := mission.Named(s.at.Mission)
	return m, err == nil
}

// Summary says in a sentence what the lab is for.
func (s *Session) Summary() string {
	if m, ok := s.Mission(); ok {
		return m.Goal
	}
	if scenario, err := scenarioNamed(s.at.Scenario); err == nil {
		return scenario.Summary
	}
	return ""
}

// Survey says who is in the lab, as Network.Survey does.
func (s *Session) Survey() ([]mission.Host, error) { return s.network.Survey() }

// Send sends a request, as Network.Send does.
func (s *Session) Send(ctx context.Context, r mission.Request) mission.Reply {
	return s.network.Send(ctx, r)
}

// Check tries the goal of the lab's mission with real packets, and notes the outcome.
func (s *Session) Check(ctx context.Context) (mission.Progress, error) {
	steps, err := s.network.Check(ctx, s.at.Mission)
	if err != nil {
		return mission.Progress{}, err
	}
	return note(s.at.Mission, func(p *mission.Progress) {
		p.Steps, p.At, p.Tries = steps, time.Now(), p.Tries+1
		p.Done = p.Done || p.Reached()
	})
}

// Hint gives one more of the mission's hints, as long as there are more.
func (s *Session) Hint() (mission.Progress, error) {
	m, err := mission.Named(s.at.Mission)
	if err != nil {
		return mission.Progress{}, err
	}
	return note(m.Name, func(p *mission.Progress) { p.Hints = min(p.Hints+1, len(m.Hints)) })
}

// Progress is how far one is with each mission, by name; a mission that was not begun is not in it.
func (s *Session) Progress() (map[string]mission.Progress, error) { return readProgress() }

// Scenarios lists the names and summaries of what Move can go to besides missions.
func (s *Session) Scenarios() (names, summaries []string) {
	for _, x := range scenarios {
		names, summaries = append(names, x.Name), append(summaries, x.Summary)
	}
	return names, summaries
}

// Move notes that another lab is wanted, of a scenario or of a mission, one of them empty: it begins, from nothing, once
// the screens have ended that this lab was started with. The error says where they were not.
func (s *Session) Move(scenario, name string) error {
	if os.Getenv(screensVariable) == "" {
		return errors.New("this lab was started with a command of its own: leave it and start another, nattui lab --scenario NAME or nattui learn NAME")
	}
	wanted := next{Scenario: scenario, Mission: name}
	if err := wanted.check(); err != nil {
		return err
	}
	text, err := json.Marshal(wanted)
	if err != nil {
		return err
	}
	return os.WriteFile(nextPath, text, 0o600)
}

// next is a lab to begin: a scenario or a mission, and what is known of the missions so far.
type next struct {
	Scenario string          `json:"scenario,omitempty"`
	Mission  string          `json:"mission,omitempty"`
	Progress json.RawMessage `json:"progress,omitempty"`
}

const (
	nextPath     = runDirectory + "/next"
	progressPath = runDirectory + "/progress"
)

func (n next) name() string {
	if n.Mission != "" {
		return n.Mission
	}
	return n.Scenario
}

// check finds the scenario or the mission, and fills in the default.
func (n *next) check() error {
	if n.Mission != "" {
		_, err := mission.Named(n.Mission)
		return err
	}
	s, err := scenarioNamed(n.Scenario)
	n.Scenario = s.Name
	return err
}

// takeNext is what was noted by Move, with the progress to go on with; empty if nothing was.
func takeNext() string {
	text, err := os.ReadFile(nextPath)
	if err != nil {
		return ""
	}
	wanted, err := parseNext(string(text))
	if err != nil || wanted == nil {
		return ""
	}
	if progress, err := os.ReadFile(progressPath); err == nil && json.Valid(progress) {
		wanted.Progress = progress
	}
	out, err := json.Marshal(wanted)
	if err != nil {
		return ""
	}
	return string(out)
}

func parseNext(text string) (*next, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var n next
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return nil, fmt.Errorf("the next lab: %w", err)
	}
	return &n, n.check()
}

// beginProgress writes down what the lab before this one knew of the missions.
func beginProgress() error {
	if err := os.MkdirAll(runDirectory, 0o700); err != nil {
		return err
	}
	text := os.Getenv(progressVariable)
	os.Unsetenv(progressVariable)
	if text == "" {
		return nil
	}
	return os.WriteFile(progressPath, []byte(text), 0o600)
}

func readProgress() (map[string]mission.Progress, error) {
	all := map[string]mission.Progress{}
	text, err := os.ReadFile(progressPath)
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("the progress in the missions: %w", err)
	}
	return all, nil
}

// note changes what is known of a mission, one process at a time.
func note(name string, change func(*mission.Progress)) (mission.Progress, error) {
	dir, err := os.Open(runDirectory)
	if err != nil {
		return mission.Progress{}, err
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return mission.Progress{}, err
	}
	all, err := readProgress()
	if err != nil {
		return mission.Progress{}, err
	}
	p := all[name]
	change(&p)
	all[name] = p
	text, err := json.Marshal(all)
	if err != nil {
		return p, err
	}
	if err := os.WriteFile(progressPath+".new", text, 0o600); err != nil {
		return p, err
	}
	return p, os.Rename(progressPath+".new", progressPath)
}
