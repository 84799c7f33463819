#!/usr/bin/env bash
# Takes the station off this machine. What it measured and how it is configured stay, unless --purge is given.
set -euo pipefail

services=(goatdev-station goatdev-dashboard goatdev-sync)
purge=no sure=no

usage() {
    cat <<'TEXT'
sudo scripts/uninstall.sh [--purge [--yes]]
  --purge   delete also all captures, pictures, calibration and configuration; asks first
  --yes     do not ask
TEXT
}

for option in "$@"; do
    case $option in
    --purge) purge=yes ;;
    --yes) sure=yes ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done
[ "$(id -u)" = 0 ] || { echo "Only root can do this: sudo scripts/uninstall.sh" >&2 && exit 1; }

if [ $purge = yes ] && [ $sure = no ]; then
    echo "This deletes all measurements and pictures of this station ($(du -sh /var/lib/goatdev 2>/dev/null | cut -f1))."
    read -r -p "Type the word delete to go on: " word || word=""
    [ "$word" = delete ] || { echo "Nothing was changed." && exit 1; }
fi

echo "== Stopping and removing the services"
for service in "${services[@]}"; do
    systemctl --quiet disable --now "$service" 2>/dev/null || true
    rm -rf "/etc/systemd/system/$service.service"
done
systemctl daemon-reload
systemctl reset-failed "${services[@]}" 2>/dev/null || true

echo "== Removing the program, its rules and its part of the broker"
rm -rf /opt/goatdev /usr/local/bin/goatdev /etc/udev/rules.d/99-goatdev-cameras.rules
if [ -e /etc/mosquitto/conf.d/goatdev.conf ]; then
    rm -f /etc/mosquitto/conf.d/goatdev.conf /etc/mosquitto/goatdev.acl /etc/mosquitto/goatdev.passwd
    rm -f /etc/goatdev/mqtt-password
    systemctl try-restart mosquitto 2>/dev/null || true
fi

if [ $purge = yes ]; then
    echo "== Deleting data, configuration and the user goatdev"
    rm -rf --one-file-system /var/lib/goatdev /etc/goatdev /etc/systemd/system/goatdev-*.service.d
    userdel goatdev 2>/dev/null || true
else
    echo "== Kept: /var/lib/goatdev (captures, pictures) and /etc/goatdev (configuration, calibration)"
fi
