package paste

import (
	"slices"
	"strings"
)

// elsewhereOptions are, by programs that run a command in another place, their options that take a value.
var elsewhereOptions = map[string]string{
	"ssh": "-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w", "nsenter": "-t -S -G", "chroot": "", "docker": "-e -u -w", "podman": "-e -u -w",
	"kubectl": "-n -c", "lxc": "", "lxc-attach": "", "incus": "", "machinectl": "", "ip": "-n", "docker-compose": "-e -u -w", "unshare": "", "systemd-nspawn": "-D -M", "crictl": "",
}

// elsewhere leaves out a command that another host, container or namespace is to run: its rules are not this host's.
func (im *importer) elsewhere(words []scriptWord, name, input string) bool {
	valued, known := elsewhereOptions[name]
	if !known || !strings.Contains(input, "tables") && !slices.ContainsFunc(words[1:], func(w scriptWord) bool { return strings.Contains(w.text, "tables") }) {
		return false
	}
	first := words[0]
	im.last = maybe
	im.find(Remark{first.line, first.col, first.text, Doubt, "this runs elsewhere: " + whereTo(words[1:], name, valued) + "; it is left out", ""})
	im.comment(commandText(words))
	return true
}

// whereTo is the name of the place.
func whereTo(words []scriptWord, program, valued string) string {
	for i := 0; i < len(words); i++ {
		w := words[i].text
		option, joined, isJoined := strings.Cut(w, "=")
		switch {
		case program == "nsenter" && (option == "--target" || option == "-t" || option == "--net" || option == "-n"):
			if isJoined {
				return "nsenter " + joined
			}
			if option != "-n" && option != "--net" && i+1 < len(words) {
				return "process " + words[i+1].text
			}
		case strings.HasPrefix(w, "-"):
			if slices.Contains(strings.Fields(valued), w) {
				i++
			}
		case slices.Contains([]string{"exec", "netns", "compose", "shell", "run"}, w) && program != "ssh" && program != "chroot":
		case strings.Contains(w, "tables"):
			return program
		default:
			return w
		}
	}
	return program
}
