package paste

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/rules"
)

// Lines that the kernel's own programs have taken, and what they printed back:
// reading them as commands has to come to the same lines. What is not read alike
// is counted; the share must not fall.
func TestImportCorpora(t *testing.T) {
	dir := os.Getenv("NATTUI_CORPORA")
	if dir == "" {
		t.Skip("NATTUI_CORPORA is not set: there are no corpora to read")
	}
	for file, want := range map[string]float64{"canonical-nft.tsv": 0.93, "canonical-nft-ip6.tsv": 0.87} {
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		family := rules.IPv4
		if strings.Contains(file, "ip6") {
			family = rules.IPv6
		}
		good, all := 0, 0
		for in := bufio.NewScanner(f); in.Scan(); {
			given, printed, _ := strings.Cut(in.Text(), "\t")
			unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t")
			given = unescape.Replace(given)
			all++
			got := importLine(family, given)
			if got == printed {
				good++
			} else if testing.Verbose() {
				t.Logf("%s\n  got  %s\n  want %s", given, got, printed)
			}
		}
		share := float64(good) / float64(all)
		t.Logf("%s: %d of %d lines alike, %.1f %%", file, good, all, 100*share)
		if share < want {
			t.Errorf("%s: only %.1f %% of the lines are read as iptables reads them", file, 100*share)
		}
	}
}

// importLine reads one rule of a nat table and returns the rules it makes.
func importLine(family rules.Family, line string) string {
	words, err := rules.Split(line)
	if err != nil {
		return err.Error()
	}
	set := &rules.Ruleset{Family: family, Tables: []rules.Table{{Name: "nat"}}}
	add := func(name string) {
		if _, ok := set.Chain("nat", name); !ok && !rules.IsBuiltIn("nat", name) && !knownTarget(name) {
			set.Tables[0].Chains = append(set.Tables[0].Chains, rules.Chain{Name: name, Policy: "-"})
		}
	}
	for i, w := range words {
		if i+1 < len(words) && strings.Contains(" -A -j -g -I ", " "+w+" ") {
			add(words[i+1])
		}
	}
	g := Ground{Sets: map[rules.Variant]*rules.Ruleset{{Family: family, Backend: rules.NFT}: set}, AcceptDoubts: true}
	im := Read("*nat\n"+line+"\nCOMMIT\n", g)
	if family == rules.IPv6 {
		im = Read("ip6tables-restore <<E\n*nat\n"+line+"\nCOMMIT\nE\n", g)
	}
	if im.InDoubt() {
		return describe(im)
	}
	var made []string
	for _, c := range im.Plan.Changes() {
		made = append(made, c.Rule.String())
	}
	return strings.Join(made, ` \n `)
}
