package ui

import (
	"slices"

	"nattui/ui/text"
)

// unfold breaks the sentences of a list into lines of a width. Where all of them together have no room, as many are told
// whole as have: those named first in their order, then from the top. On a plain screen each is a line however long, as the
// terminal breaks it.
func (d *desk) unfold(sentences []string, first []int, width, room int) [][]string {
	if d.plain {
		for _, s := range sentences {
			width = max(width, text.Width(s))
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
		return unfoldSome(sentences, whole, first, width, room-len(sentences))
	}
	return whole
}

// unfoldSome cuts the lines of sentences to those for which there is room beyond one each.
func unfoldSome(sentences []string, whole [][]string, order []int, width, spare int) [][]string {
	order = slices.Clone(order)
	for i := range sentences {
		if !slices.Contains(order, i) {
			order = append(order, i)
		}
	}
	for _, i := range order {
		more := max(0, min(len(whole[i])-1, spare))
		switch spare -= more; {
		case more == len(whole[i])-1:
		case more == 0:
			whole[i] = []string{text.Fit(sentences[i], width)}
		default:
			whole[i] = text.Wrap(sentences[i], width, 1+more)
		}
	}
	return whole
}

// anyCut tells that a sentence of a list has no room in a line of a width.
func anyCut(sentences []string, width int) bool {
	return slices.ContainsFunc(sentences, func(s string) bool { return text.Fit(s, width) != s })
}
