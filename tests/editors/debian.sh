# Sourced by installers: packages of Debian unpacked into a folder, for which nobody has to be root and nothing of the
# machine is changed.  The mirror is the one that this machine's own apt uses, with other suites.

# unpack FOLDER SUITES PACKAGE...: the packages from these suites (with what they need and this machine lacks, if
# `needs=all`), unpacked into FOLDER.
unpack() {
  local folder=$1 suites=$2 scratch mirror
  shift 2
  scratch=$(mktemp -d)
  mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
    sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +([^ ]+\/debian)\/?( .*)?$/\3/p' | head -n 1)
  [ -n "$mirror" ] || { echo "no Debian mirror in this machine's apt sources" >&2; return 1; }
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$suites" \
    /usr/share/keyrings/debian-archive-keyring.gpg > "$scratch/debian.sources"
  mkdir -p "$scratch/lists/partial" "$scratch/archives/partial" "$folder"
  local options=(-qq -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::SourceList="$scratch/debian.sources"
    -o Dir::State::Lists="$scratch/lists" -o Dir::Cache="$scratch" -o Dir::Cache::Archives="$scratch/archives"
    -o Debug::NoLocking=1 -o APT::Sandbox::User= -o APT::Install-Recommends=0)
  apt-get "${options[@]}" -o APT::Update::Error-Mode=any update
  if [ "${needs:-}" = all ]; then
    apt-get "${options[@]}" -t "${suites##* }" --download-only -y install "$@"
  else
    (cd "$scratch/archives" && apt-get "${options[@]}" download "$@")
  fi
  local package
  for package in "$scratch"/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
  done
  rm -rf "$scratch"
}
