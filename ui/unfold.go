package ui

import (
	"slices"

	"nattui/ui/text"
)

// unfold breaks the sentences of a list into lines of a width. Where all of them together have no room, each is cut to
// one: there the one under the cursor is told elsewhere. On a plain screen each is a line however long, as the terminal
// breaks it.
func (d *desk) unfold(sentences []string, width, room int) [][]string {
	if d.plain {
		for _, s := range sentences {
			width = max(width, visibleWidth(s))
		}
	}
	whole := make([][]string, len(sentences))
	used := 0
	for i, s := range sentences {
		if whole[i] = text.Wrap(s, width, 0); len(whole[i]) == 0 {
			whole[i] = []string{""}
		}
		used += len(whole[i])
	}
	if used > room {
		for i, s := range sentences {
			whole[i] = []string{text.Fit(s, width)}
		}
	}
	return whole
}

// anyCut tells that a sentence of a list has no room in a line of a width.
func anyCut(sentences []string, width int) bool {
	return slices.ContainsFunc(sentences, func(s string) bool { return text.Fit(s, width) != s })
}
