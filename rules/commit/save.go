package commit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/textfile"
)

// SaveOptions say what is known of the host, and for whom rules are kept.
type SaveOptions struct {
	// Sets are the running rules, by variant; Standby is the backend that the plain
	// programs serve, and so what restores them at boot.
	Sets    map[rules.Variant]*rules.Ruleset
	Standby rules.Backend
	// Managers are the programs on this host that make rules by themselves, by the
	// names that rules.OwnerOf uses.
	Managers []string
	// Programs are the restore programs of the variants, as absolute paths.
	Programs map[rules.Variant]string
	// Nattui is the path of the program that restores at boot; "" has the restore
	// programs do it, which do not look at what is there.
	Nattui string
	// Watch has a unit put the rules back whenever firewalld or ufw makes its rules
	// anew; it stays once it is there.
	Watch bool
	// Unwatch removes that unit.
	Unwatch bool
	// Replace agrees to less being saved than was.
	Replace bool
	// By and From are for the journal.
	By, From string
}

// Saving is what is saved for reboot, where, and what is not.
type Saving struct {
	// Method is what restores the rules at boot, in words.
	Method string
	// Files are to be written, with what they hold now.
	Files []File
	// Kept counts rules; Left counts those of other programs by their owner.
	Kept int
	Left map[string]int
	// Fewer says of each file which of the administrator's rules in it would be lost, though nobody has removed them by
	// nattui; or only how many, where it would hold fewer.
	Fewer []string
	// Flushed counts the saved rules that firewalld or ufw removes whenever it makes its
	// own anew, and Watched tells that a unit puts them back then.
	Flushed int
	Watched bool
	// Unwatching tells that nothing is saved, as it would be less than is, and only the unit that watches is removed.
	Unwatching bool
	// Unreadable are rules that are not saved, because the program that restores them could not read them.
	Unreadable []Unreadable
	// Elsewhere are changes in native tables that other files load, and that these do not have; nattui does not save them.
	Elsewhere []string
	// Needs are what is needed at boot beside what is saved, and nothing on this host is known to restore, a sentence each.
	Needs []string
	// Notes are what somebody should know: variants that cannot be kept, managers
	// that own a part, a step that is left to do.
	Notes []string
	// saved is what the files of rules hold, by path.
	saved map[string]savedRules
}

// Fewer is the error of saving without rules that are saved, without having been told
// to. Nothing was written.
type Fewer struct{ Files []string }

// Error names the files.
func (e *Fewer) Error() string {
	return "not saved: " + strings.Join(e.Files, "; ") + "; run nattui restore for what is missing, or save with --replace"
}

// Changes reports whether saving would change any file.
func (s Saving) Changes() bool { return len(s.changed()) > 0 }

// changed are the files that saving would change.
func (s Saving) changed() (list []File) {
	for _, f := range s.Files {
		if !f.Existed || !bytes.Equal(f.Old, f.New) {
			list = append(list, f)
		}
	}
	return list
}

// errOtherNetwork is the error of keeping the rules of a network namespace that is
// not there yet when the host starts.
var errOtherNetwork = errors.New("these rules belong to another network namespace and would be restored in the host's own; whatever creates this namespace must also add its rules")

// PlanSave works out how the administrator's own rules, and nobody else's, are
// kept for the next start of the host, and changes nothing. Rules that end by
// themselves are not kept.
func (c *Committer) PlanSave(o SaveOptions) (Saving, error) {
	if same, known := likeInit("net"); known && !same {
		return Saving{}, errOtherNetwork
	}
	where, err := findKeeper(c.root, o.Managers)
	if err != nil {
		return Saving{}, err
	}
	temporary, err := c.store.temporary()
	if err != nil {
		return Saving{}, err
	}
	switches, err := c.changedSettings()
	if err != nil {
		return Saving{}, err
	}
	out := Saving{Method: where.method, Left: map[string]int{}, saved: map[string]savedRules{}, Notes: slices.Clone(where.notes)}
	own := map[rules.Variant][]rules.Table{}
	made := c.notMade(&out, o.Standby)
	j, err := c.store.readJournal(false)
	if err != nil {
		return Saving{}, err
	}
	for _, variant := range variantsIn(o.Sets) {
		set := o.Sets[variant]
		owners := rules.OwnersIn(set, made[variant])
		tables, kept, left := ownTables(set, owners, temporary[variant])
		if kept > 0 || switches[forwardingOf[variant.Family]] == "1" {
			tables = withForwardPolicy(tables, set, owners)
		}
		for owner, n := range left {
			out.Left[owner] += n
		}
		kept -= out.leaveUnreadable(variant, &tables)
		path, ok := where.path(variant, o.Standby)
		if !ok {
			if kept > 0 {
				out.Notes = append(out.Notes, fmt.Sprintf("not saved: %s of %s; %s restores those of %s only", rules.Plural(kept, "rule"), variant, where.method, o.Standby))
			}
			continue
		}
		out.Kept += kept
		own[variant] = tables
		out.Flushed += flushed(tables, o.Managers)
		if err := out.keep(c.root, path, savedRules{variant, tables, anchorsIn(set, owners)}); err != nil {
			return Saving{}, err
		}
		c.compare(&out, j, path, kept, made[variant])
	}
	if err := c.saveNative(&out, &where, o); err != nil {
		return Saving{}, err
	}
	if err := c.addRest(&out, o, where, own, switches); err != nil {
		return Saving{}, err
	}
	c.noteManagers(&out, o.Managers, where)
	return out, out.noteLinks(c.root)
}

// keep plans the file of a variant's rules.
func (s *Saving) keep(root, path string, saved savedRules) error {
	s.saved[path] = saved
	if err := s.add(root, path, saved.text(), 0o600, false, len(saved.tables) > 0); err != nil {
		return err
	}
	s.Needs = append(s.Needs, neededSets(root, path, saved)...)
	return nil
}

// Made are the rules of a variant that programs make from files of their own; standby is the backend that the plain programs
// serve.
func (c *Committer) Made(variant rules.Variant, standby rules.Backend) rules.Made {
	all, _ := c.madeElsewhere(standby)
	return all[variant]
}

// notMade are the rules that are not the administrator's, of whoever tells; who does not is noted.
func (c *Committer) notMade(s *Saving, standby rules.Backend) map[rules.Variant]rules.Made {
	all, unknown := c.madeElsewhere(standby)
	if unknown != nil {
		s.Notes = append(s.Notes, unknown.Error()+": those that are there count as yours")
	}
	return all
}

// addRest adds what is saved apart from the rules: what restores them, the settings that they need, and what restores
// them after reloads.
func (c *Committer) addRest(out *Saving, o SaveOptions, where keeper, own map[rules.Variant][]rules.Table, switches map[string]string) error {
	something := slices.ContainsFunc(out.Files, func(f File) bool { return f.Path == nativePath && len(f.New) > 0 })
	for tables := range maps.Values(own) {
		something = something || len(tables) > 0
	}
	for _, extra := range where.extra(own, o) {
		if err := out.add(c.root, extra.Path, extra.New, os.FileMode(extra.Mode), extra.Link, something); err != nil {
			return err
		}
	}
	if err := c.addSettings(out, own, switches); err != nil {
		return err
	}
	if err := c.addWatch(out, o, where); err != nil {
		return err
	}
	if o.Unwatch && len(out.Fewer) > 0 && !o.Replace {
		out.Unwatching = true
		out.Files = slices.DeleteFunc(out.Files, func(f File) bool { return f.Path != WatchUnit && f.Path != watchLink })
	}
	return nil
}

// add notes a file to be written. A file that would hold nothing is not made.
func (s *Saving) add(root, path string, text []byte, mode os.FileMode, link, needed bool) error {
	f := File{Path: path, New: text, Mode: uint32(mode), Link: link}
	full := filepath.Join("/", root, path)
	var err error
	if link {
		var target string
		target, err = os.Readlink(full)
		f.Old = []byte(target)
	} else {
		f.Old, err = textfile.Read(full)
	}
	if err != nil && !missing(err) {
		return fmt.Errorf("read the saved rules: %w", err)
	}
	f.Existed = err == nil
	if f.Existed || needed {
		s.Files = append(s.Files, f)
	}
	return nil
}

// compare notes a file that would hold fewer of the administrator's rules than it does, or not some that nobody has
// removed by nattui; kept are how many it would hold, made those that programs make.
func (c *Committer) compare(s *Saving, j *journal, path string, kept int, made rules.Made) {
	i := slices.IndexFunc(s.Files, func(f File) bool { return f.Path == path })
	if i < 0 {
		return
	}
	tables, err := rules.Read(bytes.NewReader(s.Files[i].Old))
	if err != nil {
		s.Fewer = append(s.Fewer, fmt.Sprintf("%s cannot be understood (%v) and would be replaced", path, err))
		return
	}
	own := func(tables []rules.Table) ([]string, int) {
		set := &rules.Ruleset{Tables: tables}
		tables, n, _ := ownTables(set, rules.OwnersIn(set, made), nil)
		return ruleLines(tables), n
	}
	before, n := own(tables)
	if kept < n {
		s.Fewer = append(s.Fewer, fmt.Sprintf("%s holds %s of yours and would hold %d", path, rules.Plural(n, "rule"), kept))
		return
	}
	saved := s.saved[path]
	wanted, _ := own(c.wanted(j, c.clock.Boot(), saved.variant, path, s.Files[i].Old, tables).tables)
	s.loses(path, without(without(before, ruleLines(saved.tables)), without(before, wanted)))
}

// loses notes saved rules that do not run and that nattui has not removed.
func (s *Saving) loses(path string, lost []string) {
	if len(lost) > 0 {
		s.Fewer = append(s.Fewer, fmt.Sprintf("%s holds %s of yours that nattui did not remove, and would lose: the first is %s", path, rules.Plural(len(lost), "rule"), lost[0]))
	}
}

// ruleLines are the rules of tables, each with its table.
func ruleLines(tables []rules.Table) (all []string) {
	for _, t := range tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				all = append(all, t.Name+" "+r.String())
			}
		}
	}
	return all
}

// Save keeps the rules for boot as PlanSave says, and returns its entry, which
// can be undone. The error wraps os.ErrPermission where the files may not be
// written. Where nothing has changed, nothing is written and the entry is zero.
func (c *Committer) Save(ctx context.Context, o SaveOptions) (Entry, Saving, error) {
	l, err := c.store.acquire(ctx)
	if err != nil {
		return Entry{}, Saving{}, err
	}
	defer l.release()
	j, err := c.open(ctx, l)
	if err != nil {
		return Entry{}, Saving{}, err
	}
	for _, e := range j.entries {
		if e.Unconfirmed() {
			return Entry{}, Saving{}, &Unsettled{*e}
		}
	}
	saving, err := c.PlanSave(o)
	if err == nil {
		err = c.Prove(ctx, &saving)
	}
	if err != nil || !saving.Changes() {
		return Entry{}, saving, err
	}
	if len(saving.Fewer) > 0 && !o.Replace && !saving.Unwatching {
		return Entry{}, saving, &Fewer{saving.Fewer}
	}
	e := &Entry{
		Kind: KindSave, By: o.By, From: o.From, Files: saving.Files,
		Plan: rules.Plan{Title: fmt.Sprintf("Save %s for reboot (%s).", rules.Plural(saving.Kept, "rule"), saving.Method)},
	}
	if saving.Unwatching {
		e.Plan.Title = "Stop restoring the saved rules after reloads of firewalld and ufw."
	}
	entry, err := c.writeFiles(j, e)
	return entry, saving, err
}

// undoSave puts the files back that a saving wrote, unless somebody has written
// them since.
func (c *Committer) undoSave(saved *Entry, j *journal, o Options) (Entry, error) {
	title := "Undo: " + saved.Plan.Title
	if rest, again := strings.CutPrefix(saved.Plan.Title, "Undo: "); again && saved.Kind == KindUndo {
		title = rest
	}
	e := &Entry{Kind: KindUndo, By: o.By, From: o.From, Undoes: saved.ID, Plan: rules.Plan{Title: title}}
	for _, f := range saved.Files {
		now, err := f.read(c.root)
		if err != nil && !missing(err) {
			return Entry{}, err
		}
		if !bytes.Equal(now, f.New) || missing(err) != f.Remove {
			return Entry{}, fmt.Errorf("change %s cannot be undone: %s was changed by another program since: %w", saved.ID, f.Path, &Changed{f.Path, "what nattui wrote", "something else"})
		}
		e.Files = append(e.Files, File{Path: f.Path, Old: f.New, New: f.Old, Existed: !f.Remove, Mode: f.Mode, Link: f.Link, Remove: !f.Existed})
	}
	return c.writeFiles(j, e)
}

func (f File) read(root string) ([]byte, error) {
	path := filepath.Join("/", root, f.Path)
	if f.Link {
		target, err := os.Readlink(path)
		return []byte(target), err
	}
	return textfile.Read(path)
}

// writeFiles writes what an entry says, after it is in the journal. If a file
// cannot be written, those before it are put back.
func (c *Committer) writeFiles(j *journal, e *Entry) (Entry, error) {
	e.ID, e.At, e.State, e.begun = j.next(), c.clock.Now(), Pending, in(c.clock, 0)
	if err := c.store.append(recordOf(e)); err != nil {
		return Entry{}, fmt.Errorf("%w; nothing was changed", err)
	}
	for i, f := range e.Files {
		c.step("file")
		if err := f.write(c.root, f.New, f.Remove); err != nil {
			back := putBack(c.root, e.Files[:i])
			return c.fail(e, errors.Join(fmt.Errorf("save for reboot: %w", err), back))
		}
	}
	e.State = Applied
	c.log.write(e)
	return *e, c.store.append(updateOf(e))
}

// putBack puts files back that are still as they were written.
func putBack(root string, files []File) error {
	var all error
	for _, f := range slices.Backward(files) {
		now, err := f.read(root)
		if missing(err) && !f.Existed {
			continue
		}
		if bytes.Equal(now, f.New) {
			all = errors.Join(all, f.write(root, f.Old, !f.Existed))
		}
	}
	return all
}

func (f File) write(root string, text []byte, remove bool) error {
	path := filepath.Join("/", root, f.Path)
	if remove {
		if !f.Link {
			target, err := followed(path)
			if err != nil {
				return err
			}
			path = target
		}
		err := os.Remove(path)
		if missing(err) {
			return nil
		}
		return err
	}
	if !f.Link {
		return writeFile(path, text, os.FileMode(f.Mode))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !missing(err) {
		return err
	}
	return os.Symlink(string(text), path)
}

// Ending are the plans of changes in force that end by themselves.
func (s *Store) Ending() ([]rules.Plan, error) {
	j, err := s.readJournal(false)
	if err != nil {
		return nil, err
	}
	var all []rules.Plan
	for _, e := range j.entries {
		if e.temporary() {
			all = append(all, e.Plan)
		}
	}
	return all, nil
}

// temporary are the lines, by variant, of rules that end by themselves, as
// "table line".
func (s *Store) temporary() (map[rules.Variant]map[string]int, error) {
	j, err := s.readJournal(false)
	if err != nil {
		return nil, err
	}
	all := map[rules.Variant]map[string]int{}
	for _, e := range j.entries {
		if !e.temporary() {
			continue
		}
		for _, c := range e.Plan.Changes() {
			variant := rules.Variant{Family: c.Family, Backend: c.Backend}
			if c.Op == rules.Insert {
				if all[variant] == nil {
					all[variant] = map[string]int{}
				}
				all[variant][c.Table+" "+c.Rule.InChain(c.Chain).String()]++
			}
		}
	}
	return all, nil
}

// noteManagers notes who else makes rules here, and who of them does not do so at boot.
func (c *Committer) noteManagers(s *Saving, managers []string, where keeper) {
	s.Needs = append(s.Needs, c.idleManagers(managers, s.Elsewhere)...)
	s.Notes = append(s.Notes, managerNotes(managers, where)...)
	slices.Sort(s.Notes)
	s.Notes = slices.Compact(s.Notes)
}

// managerNotes say who else makes rules here, and that nattui does not interfere.
func managerNotes(managers []string, where keeper) []string {
	var notes []string
	for _, m := range managers {
		switch m {
		case "firewalld":
			notes = append(notes, "firewalld owns the firewall of this host and restores its own rules; add permanent rules there (firewall-cmd --permanent)")
		case "ufw":
			notes = append(notes, "ufw owns table filter of this host and restores its own rules; add permanent rules there (ufw route allow)")
		case "docker", "podman", "kubernetes", "calico", "cilium", "flannel", "libvirt", "tailscale", "lxd", "incus", "fail2ban":
			notes = append(notes, m+" adds its own rules when it starts; they are not saved")
		case "nftables-service":
			if where.flushedByNft {
				notes = append(notes, "the service nftables loads /etc/nftables.conf at boot; a \"flush ruleset\" in it would remove the saved rules if it runs later")
			}
		}
	}
	return notes
}

func variantsIn(all map[rules.Variant]*rules.Ruleset) []rules.Variant {
	var variants []rules.Variant
	for _, b := range rules.Backends {
		for _, f := range rules.Families {
			if p := (rules.Variant{Family: f, Backend: b}); all[p] != nil {
				variants = append(variants, p)
			}
		}
	}
	return variants
}
