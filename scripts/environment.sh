# Sourced by the other scripts: makes the virtual environment of this checkout and keeps it up to date.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="$root/.venv"

stop() {
    echo "$1" >&2
    [ $# -lt 2 ] || echo "  what to do: $2" >&2
    exit 1
}

# The newest Python that every runtime package has wheels for; the system's own comes first.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        command -v "$candidate" >/dev/null || continue
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || continue
        command -v "$candidate"
        return
    done
    command -v python3 >/dev/null ||
        stop "python3 is not installed." "sudo apt-get install python3 python3-venv"
    stop "Python 3.11 to 3.14 is needed; this is $(python3 --version 2>&1)." "use Raspberry Pi OS Bookworm or later"
}

# install EXTRAS: the project with these extras (".", ".[tests]"); quick when nothing changed since the last time.
install() {
    local wanted stamp="$venv/.installed$1"
    wanted=$(sha256sum "$root/pyproject.toml")
    [ -x "$venv/bin/goatdev" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    local python
    python=$(find_python) || exit 1
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        stop "Python's venv module is not installed." "sudo apt-get install python3-venv"
    if [ ! -x "$venv/bin/python" ]; then
        echo "Making a virtual environment in .venv ($("$python" --version)) ..."
        "$python" -m venv "$venv" || stop "The virtual environment could not be made." "delete .venv and try again"
    fi
    echo "Installing packages (a few minutes the first time) ..."
    "$venv/bin/pip" install --quiet --disable-pip-version-check --editable "$root${1}" ||
        stop "The packages could not be installed." "check the internet connection and try again"
    echo "$wanted" >"$stamp"
}
