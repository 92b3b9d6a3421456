#!/bin/bash
# test_pages.sh - what the pages point at is there: files, functions, other pages and their headings;
# docs/architecture.md has the table of folders that test_includes.sh checks against the code, and no file has a
# word that docs/glossary.md says is not used.
# Each check is also run on a copy with a mistake in it, which it must find.
# Runs beside others: computes 5 s.
# Same for each build.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

top=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=tests/support/tap.sh
source tests/support/tap.sh

pages() { find . -name '*.md' -not -path './build*' -not -path './.git/*' | sort; }

# `folder/file` in a page; patterns such as machine*.c and pace.[ch] stand for files, too, and a name
# without an ending for a header. NAME stands for any, and a CHANGELOG speaks of the past.
files_named_are_there() {
    local page name
    for page in $(pages | grep -v CHANGELOG); do
        grep -oE '`(client|raft|node|tests|jepsen|packaging|docs)/[^` ]+`' "$page" | tr -d '`' |
            sed 's/NAME/*/; s/-N\./-*./' | sort -u | while read -r name; do
            (cd "$top" && { compgen -G "$name" || [ -e "$name.h" ]; } >/dev/null) ||
                echo "$page: $name"
        done
    done
}
functions_named_are_there() { # `name()`, in docs/architecture.md
    local name
    grep -oE '`[a-z_0-9]+\(\)`' docs/architecture.md | tr -d '`()' | sort -u | while read -r name; do
        (cd "$top" && grep -rqE "^[a-z].*\b$name\(" client raft node tests jepsen \
            --include='*.[ch]') ||
            echo "docs/architecture.md: $name()"
    done
}

# A heading's name in a link, as GitHub makes it.
anchors() {
    sed -nE 's/^#+ //p' "$1" | tr '[:upper:]' '[:lower:]' | sed -E 's/[^[:alnum:] _-]//g; s/ /-/g'
}
links_lead_somewhere() { # as [text](page.md#heading)
    local page link file anchor
    for page in $(pages); do
        grep -oE '\]\([^)#: ]*(#[^) ]*)?\)' "$page" | sed 's/^](//; s/)$//' | while read -r link; do
            file=${link%%#*} anchor=${link#"$file"}
            file=$(dirname "$page")/${file:-$(basename "$page")}
            if [ ! -e "$file" ]; then
                echo "$page: $link"
            elif [ -n "$anchor" ]; then
                anchors "$file" | grep -qxF -e "${anchor#\#}" || echo "$page: $link"
            fi
        done
    done
}

arrows_of_the_page() {
    grep -E '^\| `(client|raft|node)[a-z/]*` \|' docs/architecture.md | tr -d '`' |
        awk -F'|' '{ n = split($5, to, " "); gsub(/ /, "", $2); print $2 ":"
                     for (i = 1; i <= n; i++) print $2 ": " to[i] }' | sort
}
arrows_of_the_test() {
    sed -n "/^arrows=(/,/^)/s/^ *'\(.*\)'$/\1/p" "$top/tests/test_includes.sh" |
        awk -F: '{ n = split($2, to, " "); print $1 ":"
                   for (i = 1; i <= n; i++) print $1 ": " to[i] }' | sort
}
folders_use_what_the_page_says() {
    diff <(arrows_of_the_page) <(arrows_of_the_test) | grep '^[<>]'
}

# The column "not" of docs/glossary.md, as one expression: whole words, also within names, in the
# singular and the plural.
words_not_used() {
    awk -F'|' '/^\| \*\*/ { n = split($4, words, ",")
                             for (i = 1; i <= n; i++) print words[i] }' docs/glossary.md |
        sed -E 's/^ +//; s/ +$//; /^$/d; s/([^s])s$/\1/; s/[ -]/[ _-]/g' | sort -u | paste -sd '|'
}
words_are_those_of_the_glossary() {
    grep -rniE --include='*.c' --include='*.h' --include='*.md' --include='*.sh' --include='*.py' \
        --exclude=glossary.md --exclude-dir='build*' --exclude-dir=.git \
        "(^|[^[:alpha:]])($(words_not_used))(s|es)?([^[:alpha:]]|\$)" .
}

finds_nothing() {
    local found
    found=$("$1")
    echo "$found"
    [ -z "$found" ]
}
finds_mistake() { # the check, the page, a line for its end, what the check says of it
    local found
    found=$(
        cd "$scratch/copy" || exit
        cp "$2" "$scratch/kept"
        printf '%s\n' "$3" >>"$2"
        $1 | grep -F -e "$4"
        mv "$scratch/kept" "$2"
    )
    [ -n "$found" ]
}

mkdir "$scratch/copy"
pages | xargs cp --parents -t "$scratch/copy"
while IFS='@' read -r rule page line said; do
    check "$rule" finds_nothing "$rule"
    check "${rule}_can_fail" finds_mistake "$rule" "$page" "$line" "$said"
done <<'END'
files_named_are_there@docs/testing.md@See `tests/test_nothing.c`.@test_nothing.c
functions_named_are_there@docs/architecture.md@It ends in `scheduler_does_nothing()`.@does_nothing
links_lead_somewhere@docs/protocol.md@See [it](nowhere.md).@nowhere.md
folders_use_what_the_page_says@docs/architecture.md@| `node/host` | | | `node/api` |@< node/host: node/api
END
check links_to_headings_can_fail finds_mistake links_lead_somewhere README.md \
    '[it](docs/consensus.md#no-such-heading)' 'no-such-heading'
cp --parents client/ordersched.h "$scratch/copy"
word=$(words_not_used | cut -d'|' -f1)
check words_are_those_of_the_glossary finds_nothing words_are_those_of_the_glossary
check a_word_in_a_page_is_found finds_mistake words_are_those_of_the_glossary README.md \
    "Many ${word}s." "Many ${word}s."
check a_word_in_a_name_is_found finds_mistake words_are_those_of_the_glossary \
    client/ordersched.h "int in_${word}_now;" "in_${word}_now"
check words_of_the_glossary_are_read [ "$(words_not_used | tr '|' '\n' | wc -l)" -ge 40 ]

echo "1..$number"
[ "$failures" -eq 0 ]
