package commit

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/rules/textfile"
)

// nativePath is the file that nattui's own native table is kept in, as nft reads it.
const nativePath = ownDirectory + "/native.nft"

// nativeHead begins that file.
const nativeHead = "# Saved by nattui: its own native table. Tables of other programs, and of files such as /etc/nftables.conf, are not here.\n"

// Saver is a Native whose own table can be kept.
type Saver interface {
	// OwnText is nattui's own table as nft reads it, without what it has counted; "" where it is not there.
	OwnText(ctx context.Context) (string, error)
	// Load has nft read a file, in one transaction.
	Load(ctx context.Context, text string) error
}

// ownNative is the text of the own table without rules that end by themselves.
func (c *Committer) ownNative(ctx context.Context) (string, error) {
	saver, ok := c.kernel.Native.(Saver)
	if !ok {
		return "", nil
	}
	text, err := saver.OwnText(ctx)
	if err != nil || text == "" {
		return "", err
	}
	j, err := c.store.readJournal(false)
	if err != nil {
		return "", err
	}
	gone := map[string]int{}
	for _, e := range j.entries {
		for _, n := range e.Plan.Natives() {
			if e.temporary() && n.What == rules.NativeRule && !n.Gone {
				gone[nft.Uncounted(n.Text)]++
			}
		}
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if key := nft.Uncounted(strings.TrimSpace(line)); gone[key] > 0 {
			gone[key]--
			continue
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// saveNative adds the file of the own table to what is saved, and what restores it where nothing else of nattui's does.
func (c *Committer) saveNative(s *Saving, where *keeper, o SaveOptions) error {
	text, err := c.ownNative(context.Background())
	if err != nil {
		return err
	}
	kept := len(nativeLines([]byte(text)))
	s.Kept += kept
	var content []byte
	if text != "" {
		content = []byte(nativeHead + text)
	}
	if err := s.add(c.root, nativePath, content, 0o600, false, len(content) > 0); err != nil {
		return err
	}
	if i := slices.IndexFunc(s.Files, func(f File) bool { return f.Path == nativePath }); i >= 0 {
		before := textsOf(s.Files[i].Old)
		if kept < len(before) {
			s.Fewer = append(s.Fewer, fmt.Sprintf("%s holds %s of yours and would hold %d", nativePath, rules.Plural(len(before), "rule"), kept))
		} else if lost := without(before, textsOf(content)); len(lost) > 0 {
			removed, err := c.removedNatives(s.Files[i].Old)
			if err != nil {
				return err
			}
			s.loses(nativePath, slices.DeleteFunc(lost, func(line string) bool { return slices.Contains(removed, line) }))
		}
	}
	if s.Elsewhere = c.changedElsewhere(); len(s.Elsewhere) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("not saved: %s in native tables that other files load; write these to where they are loaded from, such as /etc/nftables.conf", rules.Plural(len(s.Elsewhere), "change")))
	}
	where.native = len(content) > 0
	if !where.native || !where.foreign() || where.unit || where.rc {
		return nil
	}
	if where.unit = c.onSystemd(); where.unit {
		s.Method += " and the unit nattui.service"
		return nil
	}
	s.Notes = append(s.Notes, "nothing here restores native tables at boot: run "+ownDirectory+"/restore then")
	return nil
}

// removedNatives are the lines of the own table that were deleted by nattui since it was saved as text.
func (c *Committer) removedNatives(text []byte) (lines []string, err error) {
	j, err := c.store.readJournal(false)
	if err != nil {
		return nil, err
	}
	for _, e := range j.entries[c.savedBy(j, nativePath, text):] {
		for _, n := range e.Plan.Natives() {
			if !e.Stands() || !n.Gone || n.Table != nft.OwnTable {
				continue
			}
			switch n.What {
			case rules.NativeRule:
				lines = append(lines, n.Chain+" "+nft.Uncounted(n.Text))
			case rules.NativeElement:
				lines = append(lines, n.Set+" "+n.Text)
			}
		}
	}
	return lines, nil
}

// bootFiles are those from which the system loads native tables when it starts.
var bootFiles = []string{"/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables.nft", "/etc/nftables.d/*", "/etc/nftables/*"}

// changedElsewhere are the native changes that stand in tables which are not nattui's own, and that the files from which
// these are loaded do not have: what was added is not in them as nft prints it, or what was deleted still is.
func (c *Committer) changedElsewhere() (lines []string) {
	j, err := c.store.readJournal(false)
	if err != nil {
		return nil
	}
	var files strings.Builder
	for _, pattern := range bootFiles {
		for _, path := range c.glob(pattern) {
			files.WriteString(strings.Join(strings.Fields(nft.Uncounted(c.hostFile(path))), " ") + "\n")
		}
	}
	undone := j.undone()
	for _, e := range j.entries {
		if !e.Stands() || e.Kind == KindUndo || undone[e.ID] != "" || e.begun.Boot != c.clock.Boot() {
			continue
		}
		for _, change := range e.Plan.Natives() {
			there := strings.Contains(files.String(), strings.Join(strings.Fields(nft.Uncounted(change.Text)), " "))
			if change.Table != nft.OwnTable && there == change.Gone {
				lines = append(lines, map[bool]string{true: "deleted from ", false: "added to "}[change.Gone]+change.Place()+": "+change.Text)
			}
		}
	}
	return lines
}

// nativeLines are the rules and elements of a table in a text that nft has printed, each with its chain or set.
func nativeLines(text []byte) (all []Drifted) {
	inner := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		body := strings.TrimLeft(line, "\t")
		words := strings.Fields(body)
		switch depth := len(line) - len(body); {
		case len(words) == 0:
		case depth == 1 && words[len(words)-1] == "{" && len(words) == 3:
			inner = words[1]
		case depth > 2 && len(all) > 0:
			all[len(all)-1].Line += " " + strings.Join(words, " ")
		case depth == 2 && !slices.Contains([]string{"type", "typeof", "comment", "flags", "size", "timeout", "gc-interval", "policy", "auto-merge", "}"}, words[0]):
			all = append(all, Drifted{Variant: rules.Variant{Backend: rules.Native}, Table: "inet " + nft.OwnTable, Chain: inner, Line: inner + " " + strings.TrimSpace(body)})
		}
	}
	return all
}

// compareNative compares the own table with the file that it is kept in.
func (d *Drift) compareNative(plan *Saving) {
	i := slices.IndexFunc(plan.Files, func(f File) bool { return f.Path == nativePath })
	if i < 0 {
		return
	}
	d.Nothing = d.Nothing && !plan.Files[i].Existed
	running, saved := textsOf(plan.Files[i].New), textsOf(plan.Files[i].Old)
	told := func(lines []string) (list []Drifted) {
		for _, line := range lines {
			chain, _, _ := strings.Cut(line, " ")
			list = append(list, Drifted{Variant: rules.Variant{Backend: rules.Native}, Table: "inet " + nft.OwnTable, Chain: chain, Line: line})
		}
		return list
	}
	extra, lacking := without(running, saved), without(saved, running)
	d.Running, d.Saved = append(d.Running, told(extra)...), append(d.Saved, told(lacking)...)
	if len(extra)+len(lacking) == 0 && !bytes.Equal(plan.Files[i].New, plan.Files[i].Old) && plan.Files[i].Existed {
		d.Order = append(d.Order, Drifted{Variant: rules.Variant{Backend: rules.Native}, Table: "inet " + nft.OwnTable, Chain: "one chain or more"})
	}
}

// restoreNative loads the own table from its file where it is not there. A table that is there was restored before, or has
// been changed since, and stays as it is.
func (c *Committer) restoreNative(ctx context.Context, l *lock, out *Restored) error {
	text, saver, err := c.missingNative(ctx, out)
	if err != nil || text == nil {
		return err
	}
	l.inherited(func() { err = saver.Load(ctx, string(text)) })
	if err != nil {
		return fmt.Errorf("restore %s: %w", nativePath, err)
	}
	now, err := saver.OwnText(ctx)
	if err == nil && len(without(textsOf(text), textsOf([]byte(now)))) > 0 {
		err = fmt.Errorf("restore %s: not all of it is there", nativePath)
	}
	out.Natives += len(nativeLines([]byte(now)))
	return err
}

// missingNative is the text of the own table where it is saved and not there, else nil.
func (c *Committer) missingNative(ctx context.Context, out *Restored) ([]byte, Saver, error) {
	text, err := textfile.Read(filepath.Join("/", c.root, nativePath))
	saver, ok := c.kernel.Native.(Saver)
	switch {
	case err == nil && len(text) == 0:
		return nil, nil, fmt.Errorf("%s is damaged: it is empty", nativePath)
	case missing(err) || !ok || err == nil && len(nativeLines(text)) == 0:
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read %s: %w", nativePath, err)
	}
	now, err := saver.OwnText(ctx)
	if err != nil {
		return nil, nil, err
	}
	if now == "" {
		return text, saver, nil
	}
	saved := textsOf(text)
	lacking := without(saved, textsOf([]byte(now)))
	if out.Present += len(saved) - len(lacking); len(lacking) > 0 {
		out.Left += len(lacking)
		out.Notes = append(out.Notes, fmt.Sprintf("%s of %s not in table inet %s, which has been changed since and stays as it is; the first: %s", rules.Plural(len(lacking), "saved rule"), nativePath, nft.OwnTable, lacking[0]))
	}
	return nil, nil, nil
}

// lackNative notes the own table where RestorePlan is to restore it.
func (c *Committer) lackNative(ctx context.Context, out *Restored) error {
	text, _, err := c.missingNative(ctx, out)
	if err == nil && text != nil {
		out.Native, out.Natives = string(text), len(nativeLines(text))
	}
	return err
}

// textsOf are those lines alone.
func textsOf(text []byte) (lines []string) {
	for _, l := range nativeLines(text) {
		lines = append(lines, l.Line)
	}
	return lines
}
