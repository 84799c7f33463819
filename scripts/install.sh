#!/usr/bin/env bash
# Installs this checkout as a station of this machine, or brings the station that is here up to it.
# Raspberry Pi OS or Debian, Bookworm or Trixie. Run it again as often as you like; data and configuration stay.
set -euo pipefail
shopt -s inherit_errexit
umask 022

source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=/opt/goatdev
settings=/etc/goatdev
config=$settings/goatdev.toml
user=goatdev
python=/usr/bin/python3
all_services=(goatdev-station goatdev-dashboard goatdev-sync)
broker_files=/etc/mosquitto
needed_mb=900      # a release with its packages, and room to make it
health_s=60        # so long a started station may take until its pages answer
steady_s=6         # so long its services must then go on without a restart: longer than RestartSec

offline="" download="" start=yes changed=no work=""
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

usage() {
    cat <<'TEXT'
sudo scripts/install.sh [--offline DIR] [--no-start]     install, or upgrade, this machine's station
sudo scripts/install.sh --download DIR                   fetch what --offline needs, on a machine of the same kind
  --offline DIR   take all packages from DIR: a barn has no internet
  --no-start      install and enable, but start nothing
TEXT
}

say() { echo "== $*"; }
note() { echo "   $*"; }
stop() { # what is wrong, what to do
    echo "install.sh: $1" >&2
    [ $# -lt 2 ] || echo "  what to do: $2" >&2
    exit 1
}

# put FROM TO MODE: a file as it should be; nothing is touched where it is already.
put() {
    [ -f "$2" ] && cmp -s "$1" "$2" && return 0
    install -D -m "$3" "$1" "$2.part" && mv -f "$2.part" "$2"
    changed=yes
    note "$2"
}

as_station() { (cd / && runuser -u "$user" -- "$@"); }

read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --offline | --download)
            [ $# -gt 1 ] || stop "$1 needs a folder." "$1 DIR"
            [ "$1" = --offline ] && offline=$2 || download=$2
            shift
            ;;
        --no-start) start=no ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    [ -z "$offline" ] || offline=$(cd "$offline" && pwd) || stop "--offline: there is no such folder."
}

require_machine() {
    [ "$(id -u)" = 0 ] || stop "Only root can install." "sudo scripts/install.sh"
    command -v apt-get >/dev/null || stop "This is neither Debian nor Raspberry Pi OS." "see README.md, Install"
    [ -x $python ] || stop "$python is not there." "sudo apt-get install python3"
    $python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' ||
        stop "Python 3.11 to 3.14 is needed, this is $($python --version)." "use Bookworm or Trixie"
    exec 9>/run/lock/goatdev-install
    flock -n 9 || stop "Another install.sh is at work." "wait until it has ended"
}

# Packages of the system. ---------------------------------------------------------------------------------------------

wanted_packages() {
    echo python3-venv
    ! wants_broker || echo mosquitto
    [ -n "$offline" ] || ! has_candidate python3-picamera2 || echo python3-picamera2
}

has_candidate() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Whether the configuration names a broker on this machine, or there is none yet: then ours will.
wants_broker() {
    [ -f $config ] || return 0
    $python -I - $config <<'PY'
import sys, tomllib
try:
    host = tomllib.load(open(sys.argv[1], "rb")).get("mqtt", {}).get("host", "")
except (OSError, tomllib.TOMLDecodeError):
    host = ""
sys.exit(host not in ("127.0.0.1", "::1", "localhost"))
PY
}

install_packages() {
    local missing=() name
    for name in $(wanted_packages); do is_installed "$name" || missing+=("$name"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "Installing ${missing[*]}"
    changed=yes
    if [ -n "$offline" ]; then
        compgen -G "$offline/*.deb" >/dev/null ||
            stop "${missing[*]} must be installed, and $offline has no .deb." "scripts/install.sh --download, see README.md"
        apt_get install --no-install-recommends "$offline"/*.deb
    else
        apt_get update || note "the lists of packages could not be renewed; those that are here must do"
        apt_get install --no-install-recommends "${missing[@]}"
    fi
    for name in "${missing[@]}"; do
        is_installed "$name" || stop "$name could not be installed." "is there internet? else see README.md: --offline"
    done
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null; }

# What --offline needs, from the internet, for machines of this kind.
download_all() {
    local folder packages
    mkdir -p "$download" && folder=$(cd "$download" && pwd)
    say "Fetching packages of the system into $folder"
    apt_get update
    mapfile -t packages < <(wanted_packages)
    mkdir -p "$folder/partial"
    apt_get install --no-install-recommends --download-only -o Dir::Cache::archives="$folder" "${packages[@]}"
    rm -rf "$folder/partial" "$folder/lock"
    install_packages
    say "Fetching packages of Python into $folder"
    work=$(mktemp -d)
    copy_sources "$work/source"
    $python -m venv "$work/venv"
    # With a network of its own and what builds the program, so that a later version can be built from it, too.
    "$work/venv/bin/pip" wheel --quiet --no-input --disable-pip-version-check --wheel-dir "$folder" \
        "$work/source" 'setuptools>=77' wheel || stop "The packages could not be fetched." "check the internet connection"
    rm -f "$folder"/goatdev-*.whl
    say "Ready: carry $folder and this checkout to the station, and run scripts/install.sh --offline DIR there"
}

# The release. --------------------------------------------------------------------------------------------------------

program_files() {
    (cd "$source_folder" && find edge cloud_sync dashboard models_tflite systemd scripts pyproject.toml README.md \
        \( -name __pycache__ -o -path models_tflite/training \) -prune -o -type f -print | LC_ALL=C sort)
}

copy_sources() {
    mkdir -p "$1"
    program_files | tar -C "$source_folder" -cf - -T - | tar -C "$1" --no-same-owner -xf -
}

# Version, content and Python: the same name is the same program.
release_name() {
    local version content
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$source_folder/edge/__init__.py")
    content=$(cd "$source_folder" && program_files | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -c1-12)
    echo "$version-$content-$($python -c 'import sys; print("py%d.%d" % sys.version_info[:2])')"
}

make_user() {
    local group
    if ! id "$user" >/dev/null 2>&1; then
        say "Making the user $user, who may do nothing but run the station"
        useradd --system --user-group --home-dir /var/lib/goatdev --no-create-home --shell /usr/sbin/nologin "$user"
        changed=yes
    fi
    for group in video dialout; do
        id -nG "$user" | grep -qw "$group" || ! getent group "$group" >/dev/null || usermod -aG "$group" "$user"
    done
    install -d -o "$user" -g "$user" -m 750 /var/lib/goatdev
    install -d -m 755 $settings $program $program/releases
}

make_release() {
    [ -e "$release/.complete" ] && return 0
    local free_mb
    free_mb=$(df --output=avail -B1M $program | tail -n 1)
    [ "$free_mb" -ge $needed_mb ] || stop "$free_mb MB are free, $needed_mb are needed." "make room on the card"
    say "Making release $(basename "$release")"
    changed=yes
    rm -rf "$release"
    copy_sources "$release/source"
    local how=() from=()
    ! $python -c 'import importlib.util as u, sys; sys.exit(u.find_spec("picamera2") is None)' ||
        how=(--system-site-packages) # ribbon cameras: picamera2 comes from apt
    [ -z "$offline" ] || from=(--no-index --find-links "$offline")
    $python -m venv "${how[@]}" "$release/venv"
    cp -a "$release/source" "$release/build" # a build leaves things behind
    "$release/venv/bin/pip" install --quiet --no-input --disable-pip-version-check --root-user-action=ignore \
        "${from[@]}" "$release/build" || {
        rm -rf "$release"
        stop "The packages could not be installed." "check the internet connection, or the folder of --offline"
    }
    rm -rf "$release/build"
    touch "$release/.complete"
}

# Before it may become current, on copies of what it will work with.
test_release() {
    say "Testing release $(basename "$release") before it is used"
    local code=0 copy=()
    as_station "$release/venv/bin/python" -c 'import edge.cli, dashboard.__main__, cloud_sync.__main__' || code=1
    if [ $code = 0 ] && [ -f "$database" ]; then
        as_station rm -rf "$data/upgrades/test"
        as_station mkdir -p "$data/upgrades/test"
        copy_database "$database" "$data/upgrades/test/station.db" || code=1
        copy=(--database "$data/upgrades/test/station.db")
    fi
    [ $code != 0 ] || as_station "$release/venv/bin/python" -m edge.preflight --config $config "${copy[@]}" || code=$?
    as_station rm -rf "$data/upgrades/test"
    case $code in
    0) configured=yes ;;
    78) configured=no ;;
    *) refuse_release "it failed its test, see above" ;;
    esac
    if [ $configured = no ] && [ -n "$before" ] && is_active goatdev-station; then
        refuse_release "it cannot use the configuration with which the station is running now"
    fi
}

refuse_release() {
    rm -rf "$release"
    stop "Release $(basename "$release") is not used: $1. ${before:+Release $(basename "$before") stays.}" \
        "tell who made it; nothing of the station was changed"
}

# Files of the machine. -----------------------------------------------------------------------------------------------

write_configuration() {
    [ ! -e $config ] || return 0
    say "Writing a first $config"
    changed=yes
    local id
    id=$(hostname | tr -c 'a-zA-Z0-9\n' - | cut -c1-27)
    # Stations are told apart by their names, and new Pis are all called the same.
    case $id in raspberrypi | localhost | debian | "") id="barn-$(cut -c1-4 /etc/machine-id)" ;; esac
    cat >$config <<TOML
# This station. All keys are explained in $program/current/source/README.md, under Configuration.
[station]
id = "$id"
data_dir = "/var/lib/goatdev"
# language = "es"

[cameras]                          # \`goatdev cameras\` proposes these lines for what is plugged in
# side = "usb:1-1.2"
# top = "usb:1-1.3"
# front = "usb:1-1.4"

[measure]
calibration = "calibration.json"   # made by \`goatdev calibrate\`; README.md: Calibrate

[dashboard]
# host = "0.0.0.0"                 # for tablets; there are no accounts yet: only if you trust all on this Wi-Fi

[sync]
# destination = "folder:/media/usb"

[mqtt]                             # the broker on this machine, which answers this machine only
host = "127.0.0.1"
username = "$user"
TOML
    chmod 644 $config
}

setting() { as_station "$release/venv/bin/python" -c "
from pathlib import Path; from edge.config import load_config; c = load_config(Path('$config')); print($1)" 2>/dev/null; }

set_up_broker() {
    wants_broker || return 0
    local others secret=$settings/mqtt-password hashes=$broker_files/goatdev.passwd
    others=$(grep -lsE '^ *(listener|port|allow_anonymous|password_file|acl_file|per_listener_settings) ' \
        $broker_files/mosquitto.conf $broker_files/conf.d/*.conf | grep -v /goatdev.conf || true)
    if [ -n "$others" ]; then
        note "mosquitto is set up already ($others) and was left as it is: give the station a user there"
        return 0
    fi
    local before_broker=$changed
    changed=no
    work=$(mktemp -d)
    printf '%s\n' "# Goatdev: this machine only, and nobody without a password." "listener 1883 127.0.0.1" \
        "allow_anonymous false" "password_file $hashes" "acl_file $broker_files/goatdev.acl" >"$work/goatdev.conf"
    if [ ! -s $secret ] || [ ! -s $hashes ]; then
        # Never on a command line, where everybody could read it. Other users of the broker keep theirs.
        (
            umask 077
            [ -s $secret ] || $python -c 'import secrets; print(secrets.token_urlsafe(24))' >$secret
            printf '%s:%s\n' "$user" "$(cat $secret)" >"$work/passwd"
            mosquitto_passwd -U "$work/passwd"
            grep -sv "^$user:" $hashes >>"$work/passwd" || true
        )
        install -m 600 "$work/passwd" $hashes
        changed=yes
    fi
    chown mosquitto:mosquitto $hashes
    if [ "$configured" = yes ]; then
        as_station "$release/venv/bin/python" -m edge.mqtt.rights --config $config >"$work/acl"
    else
        printf 'user %s\n' "$user" >"$work/acl" # until the station has its buttons, nothing
    fi
    cat $settings/mqtt-others.acl >>"$work/acl" 2>/dev/null || true
    put "$work/acl" $broker_files/goatdev.acl 644
    put "$work/goatdev.conf" $broker_files/conf.d/goatdev.conf 644
    if [ $changed = yes ]; then
        say "The broker mosquitto answers this machine only; the station has a user and a password of its own there"
        systemctl --quiet enable mosquitto
        [ $start = no ] || systemctl restart mosquitto
    fi
    [ "$before_broker" = no ] || changed=yes
}

install_rules() {
    put "$release/source/systemd/99-goatdev-cameras.rules" /etc/udev/rules.d/99-goatdev-cameras.rules 644
    if [ -S /run/udev/control ] && [ $changed = yes ]; then
        udevadm control --reload && udevadm trigger --subsystem-match=video4linux
    fi
}

install_units() { # of a release
    local service
    for service in "${all_services[@]}"; do
        put "$1/source/systemd/$service.service" "/etc/systemd/system/$service.service" 644
    done
    ln -sfn $program/current/venv/bin/goatdev /usr/local/bin/goatdev
    systemctl daemon-reload
}

# The switch. ---------------------------------------------------------------------------------------------------------

is_active() { systemctl --quiet is-active "$1"; }

all_run() {
    local service
    for service in "${services[@]}"; do is_active "$service" || return 1; done
}

# By renaming: at every moment there is one release, or the other.
switch_to() { ln -sfn "$1" $program/current.part && mv -T $program/current.part $program/current; }

copy_database() { # from, to
    as_station $python -I - "$1" "$2" <<'PY'
import contextlib, os, sqlite3, sys
with contextlib.closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as here:
    with contextlib.closing(sqlite3.connect(sys.argv[2])) as there:
        here.backup(there)
with open(sys.argv[2], "rb") as file:
    os.fsync(file.fileno())
PY
}

# "same": the older release can read it. "empty": brought up to date, and nothing came since. Else what came since.
compare_databases() { # as it was, as it is
    as_station $python -I - "$1" "$2" <<'PY'
import contextlib, sqlite3, sys

def look(path, how):
    with contextlib.closing(sqlite3.connect(f"file:{path}?{how}", uri=True)) as db:
        number = lambda sql: db.execute(sql).fetchone()[0]
        tables = sorted(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        cut = number("SELECT COUNT(*) FROM captures WHERE status = 'processing'")
        return tables, number("SELECT COUNT(*) FROM captures"), number("SELECT COUNT(*) FROM outbox"), cut

was, now = look(sys.argv[1], "immutable=1"), look(sys.argv[2], "mode=ro")
# A start closes what was interrupted, and owes the cloud the news of it.
came = max(now[1] - was[1], now[2] - was[2] - was[3])
print("same" if was[0] == now[0] else f"{came} new" if came > 0 else "empty")
PY
}

# The newest two copies are kept.
keep_copy() {
    kept=""
    [ -f "$database" ] || return 0
    say "Keeping a copy of the database in $data/upgrades"
    as_station mkdir -p "$data/upgrades"
    kept="$data/upgrades/$(date -u +%Y%m%dT%H%M%SZ)_before_$(basename "$release").db"
    copy_database "$database" "$kept" || { kept="" && return 1; }
    find "$data/upgrades" -maxdepth 1 -name '*_before_*.db' | sort -r | tail -n +3 | xargs -r rm -f
}

start_services() {
    systemctl --quiet enable "${services[@]}" || return 1
    systemctl reset-failed "${services[@]}" 2>/dev/null || true
    systemctl start "${services[@]}" || return 1 # returns when each has said that it is ready
    local end=$((SECONDS + health_s))
    until answers; do
        [ $SECONDS -lt $end ] || { note "its pages do not answer" && return 1; }
        sleep 1
    done
    sleep $steady_s
    local service
    for service in "${services[@]}"; do
        if [ "$(systemctl show -P NRestarts "$service")" != 0 ] || ! is_active "$service"; then
            note "$service does not keep running: journalctl -u $service"
            return 1
        fi
    done
    note "running and answering: ${services[*]}"
}

answers() {
    $python -I - "$(setting c.dashboard.host)" "$(setting c.dashboard.port)" <<'PY'
import http.client, sys
host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(sys.argv[1], sys.argv[1])
try:
    line = http.client.HTTPConnection(host, int(sys.argv[2]), timeout=10)
    line.request("GET", "/health", headers={"Host": "localhost"})
    sys.exit(line.getresponse().status not in (200, 503))
except (OSError, http.client.HTTPException, ValueError):
    sys.exit(1)
PY
}

roll_back() {
    systemctl stop "${all_services[@]}" 2>/dev/null || true
    [ -n "$before" ] || stop "Release $(basename "$release") does not run." "journalctl -u 'goatdev-*', mend it, and run this again"
    if [ -n "$kept" ]; then
        local state
        state=$(compare_databases "$kept" "$database") || state="unreadable, perhaps with something new"
        case $state in
        same) ;; # the older release reads it as it is
        empty)
            note "putting the database back as it was: nothing was pressed since"
            # Into the one that is there, in one transaction: a power cut leaves either the one or the other.
            copy_database "$kept" "$database" ||
                stop "The database could not be put back." "stop the services, and copy $kept over $database"
            ;;
        *)
            systemctl start "${services[@]}" 2>/dev/null || true
            stop "Release $(basename "$release") does not run well, and $state captures or results came with it, which $(basename "$before") cannot read: it stays, so that none is lost." \
                "journalctl -u 'goatdev-*'; the database as it was before: $kept"
            ;;
        esac
    fi
    say "Back to release $(basename "$before")"
    switch_to "$before"
    install_units "$before"
    systemctl reset-failed "${all_services[@]}" 2>/dev/null || true
    [ ${#running[@]} = 0 ] || systemctl start "${running[@]}" ||
        stop "Release $(basename "$before") does not start either." "journalctl -u 'goatdev-*'"
    rm -rf "$release"
    stop "Release $(basename "$release") did not run; $(basename "$before") is running again." "journalctl -u 'goatdev-*'"
}

take_over() {
    local service
    running=()
    for service in "${all_services[@]}"; do ! is_active "$service" || running+=("$service"); done
    [ ${#running[@]} = 0 ] || say "Stopping ${running[*]}"
    systemctl stop "${all_services[@]}" 2>/dev/null || true
    keep_copy || return 1
    say "Switching to release $(basename "$release")"
    changed=yes
    switch_to "$release" || return 1
    install_units "$release"
}

remove_old_releases() {
    find $program/releases -mindepth 1 -maxdepth 1 -type d ! -path "$release" ! -path "${before:-none}" -exec rm -rf {} +
}

tell_what_is_missing() {
    say "Installed, not started: the station does not know yet what to work with (see the last line of the test)."
    note "1. goatdev cameras                     which lines belong into $config"
    note "2. goatdev calibrate ... --into $settings/calibration.json"
    note "3. sudo scripts/install.sh             again: it tests, and starts everything"
}

main() {
    read_options "$@"
    require_machine
    if [ -n "$download" ]; then download_all && return; fi
    install_packages
    make_user
    release=$program/releases/$(release_name)
    before=$(readlink -f $program/current 2>/dev/null || true)
    [ -d "$before" ] || before=""
    write_configuration
    make_release
    data=$(setting 'c.data_dir' || true)
    data=${data:-/var/lib/goatdev} database=${data:-/var/lib/goatdev}/station.db kept="" running=()
    test_release
    services=(goatdev-station goatdev-dashboard)
    [ -z "$(setting c.sync.destination || true)" ] || services+=(goatdev-sync)
    set_up_broker
    install_rules
    [ "$release" = "$before" ] || take_over || roll_back
    install_units "$release"
    if [ "$configured" = no ]; then
        tell_what_is_missing
    elif [ $start = no ]; then
        systemctl --quiet enable "${services[@]}"
        say "Installed, not started: systemctl start ${services[*]}"
    elif [ $changed = no ] && all_run; then
        say "Nothing to change: release $(basename "$release") is installed and running"
    else
        say "Starting ${services[*]}"
        start_services || { [ "$release" != "$before" ] && roll_back; stop "It does not run." "journalctl -u 'goatdev-*'"; }
        remove_old_releases
        say "Release $(basename "$release") is running"
    fi
}

main "$@"
