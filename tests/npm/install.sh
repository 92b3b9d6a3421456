# shellcheck shell=bash
# install.sh - the npm modules that tests use, as the lock file beside this has them; sourced, in the tree's top.
#
#   npm_install BUILD    into BUILD/npm, kept from run to run until others are wanted. Fails where they cannot be had:
#                        prints why, as a test that is skipped says it.

npm_install() {
    local modules=$1/npm program
    local quiet=(--ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000)

    for program in node npm; do
        if ! command -v $program >/dev/null; then
            echo "1..0 # SKIP $program is not installed (make deps)"
            return 1
        fi
    done
    if cmp -s tests/npm/package-lock.json "$modules/node_modules/for.json"; then
        return 0
    fi
    rm -rf "$modules"
    mkdir -p "$modules"
    cp tests/npm/package.json tests/npm/package-lock.json tests/npm/.npmrc "$modules"
    if ! (cd "$modules" && timeout 60 npm ci "${quiet[@]}") >"$modules/log" 2>&1; then
        echo "1..0 # SKIP the modules (tests/npm) cannot be installed: $(grep -m1 'npm ERR\|npm error' "$modules/log")"
        return 1
    fi
    cp tests/npm/package-lock.json "$modules/node_modules/for.json"
}
