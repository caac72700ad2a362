package paste

import (
	"slices"
	"strings"

	"nattui/rules"
)

// mended is a command after its mistakes were corrected.
type mended struct {
	reader   *commandReader
	hopeless bool // a mistake has no correction
}

// maxMends bounds the corrections of one command.
const maxMends = 40

func (im *importer) iptablesAs(words []scriptWord, program string, tolerant bool) {
	queue := [][]scriptWord{words}
	for n := 0; len(queue) > 0 && n < 16; n++ {
		one, more := im.mend(queue[0], program, tolerant)
		queue = append(more, queue[1:]...)
		if one.reader == nil {
			continue
		}
		im.ask(one.reader.questions)
		keep := one.hopeless || im.carry(one.reader, tolerant)
		if line := commandText(one.reader.words); keep {
			im.out.Corrected = append(im.out.Corrected, line)
		} else {
			im.comment(line)
		}
	}
}

// commandText prints a command for a shell, with its gaps as they were written.
func commandText(words []scriptWord) string {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = rules.ShellWord(w.text)
		if len(w.unknown) > 0 {
			parts[i] = w.text
			if strings.ContainsAny(w.text, " \t") && !strings.HasPrefix(w.text, "<") {
				parts[i] = `"` + w.text + `"`
			}
		}
	}
	return strings.Join(parts, " ")
}

// mistake is the first of a command, or what is doubtful about it where nobody has accepted that.
func (c *commandReader) mistake() *mistake {
	m := c.read()
	if m == nil && !c.ground.accepts() {
		m = c.doubt()
	}
	return m
}

// findMistake tells a mistake at a word, and notes where its correction is to leave words out.
func (im *importer) findMistake(m *mistake, at scriptWord) {
	said := Remark{at.line, at.col, at.text, m.severity, m.text, m.fix}
	im.find(said)
	if m.mend != nil && m.fix == "" {
		im.out.dropped = append(im.out.dropped, said)
	}
}

// mend reads a command, corrects its first mistake, and reads it again until
// there is none. more are further commands that the line came to.
func (im *importer) mend(words []scriptWord, program string, tolerant bool) (one mended, more [][]scriptWord) {
	for range maxMends {
		r := &commandReader{ground: &im.ground, words: slices.Clone(words)}
		if len(words[0].unknown) == 0 {
			program = words[0].text
		}
		r.family, r.backend, r.explicit, _ = iptablesProgram(program)
		if !r.explicit {
			r.backend = im.ground.Backend
		}
		m := r.mistake()
		words = r.words
		for _, note := range r.notes {
			if !slices.Contains(im.out.Remarks, note) {
				im.find(note)
			}
		}
		if m == nil {
			return mended{reader: r}, more
		}
		if m.severity == Doubt && im.ground.accepts() {
			return mended{reader: r}, more
		}
		at := words[min(m.at, len(words)-1)]
		if m.severity == Note {
			im.find(Remark{at.line, at.col, at.text, Note, m.text, ""})
			return mended{reader: r}, more
		}
		if m.absent && tolerant {
			im.find(Remark{at.line, at.col, at.text, Note, m.text, ""})
			im.comment(commandText(words))
			im.last = no
			return mended{}, more
		}
		im.findMistake(m, at)
		if m.mend == nil && m.instead == nil {
			return mended{reader: r, hopeless: true}, more
		}
		if len(m.instead) > 0 && m.instead[0] == "\n" {
			more = append(more, slices.Clone(words[m.at:]))
			words = slices.Clone(words[:m.at])
			continue
		}
		if m.mend != nil {
			words = m.mend(words)
		}
		for i, alternative := range m.instead {
			other := putWords(words, m.at, 1, []string{alternative})
			if i > 0 {
				more = append(more, other)
			}
		}
		if len(m.instead) > 0 {
			words = putWords(words, m.at, 1, m.instead[:1])
		}
	}
	return mended{reader: &commandReader{ground: &im.ground, words: words}, hopeless: true}, more
}
