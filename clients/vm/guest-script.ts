import { HANDOUT_FILES } from "../../core/handout.ts";
import { APT_PROXY_DETECT, renderAptConf, renderAptFragment } from "../apt.ts";
import { trustFilesIn } from "../audience.ts";
import { proxyVariables, trustVariables } from "../environment.ts";
import { FORWARDED } from "./qemu-arguments.ts";

/** Its name in the folder of trust files, and as a page of larder's own. */
export const GUEST_SCRIPT = "guest.sh";

/** Where the systems that guests run keep their roots; the first that is there is taken. */
const ROOTS_IN_GUEST = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch, NixOS
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
  "/etc/ssl/ca-bundle.pem", // openSUSE
];

/**
 * The program for a guest: it finds the proxy that its host gave it, compares the CA's fingerprint, and prints what a
 * shell is to set. What it writes lies below /run, and is gone with the guest. POSIX sh, with curl or any wget.
 */
export function renderGuestScript(): string {
  return `#!/bin/sh
# Written by larder: finds the proxy of this guest's host, and prints what a shell is to set to go through it:
#     eval "$(larder-guest [--proxy URL] [--ca-sha256 HEX] [--dir DIR])"
# What is not said comes from the kernel's command line (larder.proxy=, larder.ca-sha256=), else from QEMU's fw_cfg. Nothing is
# printed, so that the guest goes its own way, when no proxy answers, or one with another CA.
set -eu

fail() {
  echo "larder-guest: $*" >&2
  exit 1
}

# What the host says under the name $1.
told() {
  for word in $(cat /proc/cmdline); do
    case $word in "larder.$1="*) printf %s "\${word#*=}" && return ;; esac
  done
  cat "/sys/firmware/qemu_fw_cfg/by_name/opt/larder/$1/raw" 2>/dev/null || :
}

# A page of larder's own, by curl or wget (busybox's as well).
page() {
  if command -v curl >/dev/null; then
    curl -fsS --noproxy '*' --connect-timeout 1 --max-time 5 "$proxy/$1"
  else
    http_proxy= wget -q -T 5 -O - "$proxy/$1"
  fi
}

# Keeps stdin as the file $1: whole or not at all, readable by all.
keep() {
  cat >"$dir/.$1.$$"
  chmod "$2" "$dir/.$1.$$"
  mv "$dir/.$1.$$" "$dir/$1"
}

proxy= sha256= dir=
while [ $# -gt 0 ]; do
  [ $# -gt 1 ] || fail "$1 has no value; it is followed by one"
  case $1 in
    --proxy) proxy=$2 ;;
    --ca-sha256) sha256=$2 ;;
    --dir) dir=$2 ;;
    *) fail "there is no option $1; there are --proxy, --ca-sha256 and --dir" ;;
  esac
  shift 2
done

[ -n "$proxy" ] || proxy=$(told proxy)
proxy=\${proxy:-http://10.0.2.2:3142}
proxy=\${proxy%/}
case $proxy in
  *[!]A-Za-z0-9.:/[_-]*) fail "$proxy is no URL of a proxy; write one such as http://10.0.2.2:3142" ;;
  http://*:*) ;;
  *) fail "$proxy is no URL of a proxy; write one such as http://10.0.2.2:3142" ;;
esac
host=\${proxy#http://}
host=\${host%:*}
[ -n "$sha256" ] || sha256=$(told ca-sha256)
sha256=$(printf %s "$sha256" | tr -d : | tr A-F a-f)
[ -n "$sha256" ] || fail "nothing says which CA to expect; give --ca-sha256 what \\\`larder ca show\\\` prints on the host"

ca=$(page ca.pem | sed -n '/-BEGIN/,/-END/p;/-END/q')
[ -n "$ca" ] || fail "no proxy answers at $proxy"
seen=$(printf '%s\\n' "$ca" | sed '1d;$d' | base64 -d | sha256sum | cut -c1-64)
[ "$seen" = "$sha256" ] || fail "the CA at $proxy is $seen, not $sha256: it is not trusted"

if [ -z "$dir" ]; then
  dir=/run/larder
  [ "$(id -u)" = 0 ] || dir=\${XDG_RUNTIME_DIR:-$HOME/.cache}/larder
fi
mkdir -p "$dir"
chmod 755 "$dir"
for roots in ${ROOTS_IN_GUEST.join(" ")} /dev/null; do
  [ ! -s "$roots" ] || break
done
printf '%s\\n' "$ca" | keep ${HANDOUT_FILES.ca} 644
{ cat "$roots"; printf '%s\\n' "$ca"; } | keep ${HANDOUT_FILES.bundle} 644
{ printf '#!/bin/bash\\nproxy=%s\\n' "$proxy"; cat <<'EOF'; } | keep ${HANDOUT_FILES.aptProxyDetect} 755
${APT_PROXY_DETECT}EOF
if [ "$host" = ${FORWARDED} ]; then
  # An isolated guest has no other way: nothing is won by looking for one.
  keep ${HANDOUT_FILES.aptConf} 644 <<EOF
${renderAptConf({ proxyUrl: "$proxy", bundleFile: `$dir/${HANDOUT_FILES.bundle}` })}EOF
else
  keep ${HANDOUT_FILES.aptConf} 644 <<EOF
${renderAptFragment(`$dir/${HANDOUT_FILES.bundle}`, `$dir/${HANDOUT_FILES.aptProxyDetect}`)}EOF
fi
cat <<EOF
${renderExports()}EOF
`;
}

/** For a here-document, in which the guest's shell puts its own values. */
function renderExports(): string {
  const variables = {
    ...proxyVariables({ proxyUrl: "$proxy", noProxy: "$host" }),
    ...trustVariables(trustFilesIn("$dir")),
    APT_CONFIG: `$dir/${HANDOUT_FILES.aptConf}`,
  };
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value}'\n`)
    .join("");
}
