# What the scripts of the set-up share. Sourced with the project's root as the working directory.
cache=${HOLDFAST_CACHE:-~/.cache/holdfast}
venv=${HOLDFAST_VENV:-.venv}
log=$cache/setup.log
machine=${HOLDFAST_MACHINE:-} # a folder with another machine's files, for the tests
# Not every search path has what root's has: iptables, dockerd.
PATH=$PATH:$machine/usr/sbin:$machine/sbin

stop() {
    echo "holdfast: $*" >&2
    exit 1
}
say() { printf '[%6.1f s] %s\n' "$SECONDS" "$*"; }

# What a failed command's log says, as one thing to do. The last words are for what nobody foresaw.
advice() {
    if grep -qi 'no space left' "$log"; then
        echo "the disk is full: make room for $PWD or $cache (HOLDFAST_CACHE moves it), then run this again"
    elif grep -qiE 'permission denied|read-only file system' "$log"; then
        echo "something may not be written: see who owns $PWD and $cache, then run this again"
    elif grep -qiE 'could not get lock|unable to acquire the dpkg' "$log"; then
        echo "another apt is at work: run this again when it has ended"
    elif grep -qi 'certificate' "$log"; then
        echo "this machine does not know who signs that certificate: add the signer with update-ca-certificates, or name it in PIP_CERT"
    elif grep -qiE 'resolv|connect|timed out|timeout|proxy|unreachable|could not fetch' "$log"; then
        echo "nothing answers there: see to the network, https_proxy, pip's index-url or apt's sources, then run this again"
    else
        grep -vE '^[[:space:]]*$' "$log" | tail -n 1
    fi
}

# Run a command with its output in the log and a sign of life now and then. A failure becomes one line.
#   work WHAT COMMAND…
SIGN_OF_LIFE=15
job=
work() {
    local what=$1 began=$SECONDS told=$SECONDS
    shift
    say "$what"
    "$@" >"$log" 2>&1 </dev/null &
    job=$!
    while kill -0 "$job" 2>/dev/null; do
        sleep 0.1
        if [ $((SECONDS - told)) -ge "$SIGN_OF_LIFE" ]; then
            told=$SECONDS
            say "  still at it after $((SECONDS - began)) s"
        fi
    done
    wait "$job" || stop "$what failed: $(advice) (its log: $log)"
    job=
}
# A command in the background does not hear the Ctrl-C that ends this script.
trap '[ -z "$job" ] || kill "$job" 2>/dev/null' EXIT

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
# Let apt know what the mirror has, once for each script.
asked=
ask_mirror() {
    [ -z "$asked" ] || return 0
    work "asking the Debian mirror what there is" apt-get -q -o APT::Update::Error-Mode=any update
    asked=yes
}
install() {
    ask_mirror
    work "installing $*" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends "$@"
}

mkdir -p "$cache" 2>/dev/null && touch "$log" 2>/dev/null \
    || stop "cannot write to $cache: name a folder of yours in HOLDFAST_CACHE, or see who owns that one"
