#!/bin/bash
# deps-browser.sh - installs the Debian packages that only the tests in a browser and those with npm's modules
# use, where any is missing (`make deps`): some 250 MB to fetch, 1 GB on the disk. Nothing else needs them: without
# them these tests say that they are skipped.
#
#   packaging/deps-browser.sh            say what is missing and install it; silent when nothing is
#   packaging/deps-browser.sh --missing  only list what is missing; exit 1 when something is
set -euo pipefail
export LC_ALL=C

# Each line: a package, and its command, or others that do as well.
requirements() {
    cat <<'END'
nodejs    node
npm       npm
chromium  chromium chromium-browser google-chrome
END
}

self=deps-browser
# shellcheck source=packaging/apt.sh
. "$(dirname "$0")/apt.sh"

missing_packages() {
    local package commands
    while read -r package commands; do
        # shellcheck disable=SC2086 # several words
        [ -n "$(command -v $commands)" ] || echo "$package"
    done < <(requirements)
}

apt_look "$@"
apt_begin "the tests in a browser need" "there is no apt-get here."
apt_update
for package in "${missing[@]}"; do # what there is, where one cannot be had
    apt_get install "$package" || say "$package could not be installed."
done
apt_end
