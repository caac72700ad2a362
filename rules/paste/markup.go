package paste

import (
	"html"
	"regexp"
	"strings"
)

// Text of a web page's source: tags and character references (HTML, 13.5) around what a reader of the page would see.

var (
	pageSign  = regexp.MustCompile(`(?i)</(pre|code|span|p|div|li|td|a|b|strong|em|tt|kbd|samp)>|<(pre|br|code)\b[^<>]*>`)
	reference = regexp.MustCompile(`&(amp|lt|gt|quot|apos|nbsp|#39|#x27|#34|#38|#60|#62);`)
	pageTag   = regexp.MustCompile(`(?i)</?(pre|code|span|p|br|div|li|ul|ol|b|i|em|strong|a|tt|kbd|samp|font|blockquote|table|tbody|tr|td|h[1-6]|html|head|body)(\s[^<>]*)?/?>`)
	// lineTag ends a line that a reader sees, as the others do not.
	lineTag = regexp.MustCompile(`(?i)^</?(pre|p|br|div|li|ul|ol|blockquote|tr|td|h[1-6])\b`)
)

// withoutMarkup leaves of a web page's source what a browser shows, in its lines. Other text is left as it is.
func withoutMarkup(text string) string {
	tagged := pageSign.MatchString(text)
	if !tagged && !reference.MatchString(text) {
		return text
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if tagged {
			line = untagged(line)
		}
		out.WriteString(html.UnescapeString(line))
	}
	return out.String()
}

// untagged takes the tags out of a line. Where one ends the line that is seen, a command ends too.
func untagged(line string) string {
	var out strings.Builder
	from := 0
	for _, at := range pageTag.FindAllStringIndex(line, -1) {
		out.WriteString(line[from:at[0]])
		from = at[1]
		before, rest := strings.TrimSpace(out.String()), pageTag.ReplaceAllLiteralString(line[from:], "")
		switch {
		case before == "":
			out.WriteString(strings.Repeat(" ", at[1]-at[0])) // what follows stays in its column
		case lineTag.MatchString(line[at[0]:at[1]]) && strings.TrimSpace(rest) != "" && !strings.HasSuffix(before, ";"):
			out.WriteString(" ; ")
		}
	}
	out.WriteString(line[from:])
	return out.String()
}
