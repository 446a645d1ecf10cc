# Runs in the test machine: what scripts/test-vm describes, as events for
# scripts/testreport. It exits 1 when anything failed.
export SNUG_TEST_MUST=userns,proc,overlay,net,mqueue,timens,subid,pty,cgroup2
work=$PWD
failed=0

# verdict prints go test's line for a package.
verdict() {
	if [ "$1" = 0 ]; then
		printf 'ok  \t%s\t%ss\n' "$2" "$3"
	else
		printf 'FAIL\t%s\t%ss\n' "$2" "$3"
		failed=1
	fi
}

# tests CONTEXT NAME [ARG...] runs the tests of a package.
tests() {
	local context=$1 name=$2 folder=${2//+//} start=$SECONDS status=0
	[ "$name" != .test ] || folder=.test
	shift 2
	cd "$work/src/${folder%.test}"
	as "$context" "$work/bin/test2json" -t -p "$context:${folder%.test}" \
		"$work/tests/$name" -test.v=test2json -test.timeout=4m "$@" || status=$?
	verdict $status "$context:/${folder%.test}" $((SECONDS - start))
	cd "$work"
}

# refuses NAME CONTEXT TEXT REMEDY ARG... wants `snug run ARG...` to exit 125
# with both texts.
refuses() {
	local name=$1 context=$2 text=$3 remedy=$4 output status=0
	shift 4
	output=$(as "$context" "$work/bin/snug" run "$@" 2>&1) || status=$?
	if [ $status = 125 ] && [[ $output == *"$text"* && $output == *"$remedy"* ]]; then
		verdict 0 "$name" 0
	else
		printf 'snug run %s: exit code %d, wanted 125, "%s" and "%s":\n%s\n' "$*" $status "$text" "$remedy" "$output"
		verdict 1 "$name" 0
	fi
}

for file in tests/*.test tests/.test; do
	[ ! -e "$file" ] || tests service "${file#tests/}"
done
for context in plain login; do
	tests $context .test -test.run='Limit|Cgroup'
	tests $context internal+host.test -test.run='Limit|Cgroup'
done

sysctl -q -w kernel.unprivileged_userns_clone=0
refuses nouserns service 'kernel.unprivileged_userns_clone is 0' 'sysctl -w kernel.unprivileged_userns_clone=1' -- true
sysctl -q -w kernel.unprivileged_userns_clone=1
refuses nosess nosess 'there is no user bus' 'systemd-run --user --scope -p Delegate=yes' --memory 64MiB -- true
exit $failed
