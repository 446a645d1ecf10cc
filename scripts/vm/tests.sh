# Runs in the test machine: the chapters that the arguments name, as events for
# scripts/testreport. It exits 1 when anything failed. Every chapter leaves the
# machine as it found it.
work=$PWD
failed=0

# must lists the features that no test may skip for.
must=userns,proc,overlay,net,mqueue,timens,subid,pty,cgroup2,cpu,cpuset,io

# elsewhere is what needs no other kernel, but shells that are slow when they are
# emulated; and what compares with one version of bubblewrap.
elsewhere='^TestScripts$/^(completion_|man_page|run_exit_code|image_)|^TestSameAsBubblewrap$|^TestGoldenPlans(OnOtherHosts)?$'

# many is what takes hundreds of sandboxes, mounts or megabytes: it comes last.
many='^Test(EveryStepThatIsRefusedIsNamed|AcceptedRefusalsLeadOn|LinksInATreeLeadNoMountOutOfIt|LinksInPlaceOfStandardDirectories|ManyAtOnce'
many+='|KillingTheSupervisorDuringSetUp|TwoThousandBindsWithFewDescriptors|EveryStepOfEnteringFails|ATreeThatChangesDuringSetUp|NamesOfAllKinds'
many+='|TheOutputIsComplete|Tmpfs|AForkBombEndsWithTheCommand|ProgramsWorkUnderTheFilter|ExitCodesPass)$'

# skip is what tests leaves out; ran is what ran in a service already.
skip="$elsewhere|$many"
ran='^$'

# verdict prints go test's line for a package.
verdict() {
	if [ "$1" = 0 ]; then
		printf 'ok  \t%s\t%ss\n' "$2" "$3"
	else
		printf 'FAIL\t%s\t%ss\n' "$2" "$3"
		failed=1
	fi
}

# tests CONTEXT NAME [ARG...] runs the tests of a package. What fails is tried
# once more alone: the clock of an emulated machine jumps when its host is busy.
tests() {
	local context=$1 name=$2 folder start=$SECONDS status=0 failing
	shift 2
	folder=${name//+//}
	cd "$work/src/${folder#snug}"
	binary "$context" "$name" "$@" || status=$?
	failing=$(sed -nE 's/^.?--- FAIL: (Test[A-Za-z0-9_]+) .*/\1/p' /tmp/output | sort -u)
	if [ $status != 0 ] && [ -n "$failing" ] && ! grep -q '^panic: ' /tmp/output; then
		mv /tmp/output /tmp/first
		status=0
		SNUG_TEST_UNTIL='' binary "$context" "$name" "-test.run=$(only <<<"$failing")" || status=$?
		[ $status != 0 ] || grep -E -B 6 -e '--- FAIL|_test.go:[0-9]+: |FAIL: ' /tmp/first | sed -E 's/^.?( *)--- FAIL/\1passed when tried again/'
	fi
	"$work/bin/test2json" -t -p "$SNUG_VM_GUEST/$context/$folder" </tmp/output
	verdict $status "$SNUG_VM_GUEST/$context/$folder" $((SECONDS - start))
	cd "$work"
}

# binary CONTEXT NAME ARG... runs a package's tests into /tmp/output. They are not
# started by test2json: what that does ignores SIGINT and SIGQUIT.
binary() {
	local context=$1 name=$2 more=''
	shift 2
	[ "$context" != tree ] || more=,hugetlb
	SNUG_LIBEXEC=$work/bin SNUG_TEST_MUST=$must$more as "$context" "$work/tests/$name.test" -test.v=test2json -test.timeout=25m \
		-test.skip="$skip" "$@" >/tmp/output 2>&1
}

# names lists the packages, with a + for each slash.
names() {
	local file
	for file in tests/*.test; do
		basename "$file" .test
	done
}

# kernel_tests is an expression for what differs most from kernel to kernel.
kernel_tests() { sed -nE 's/^func (Test[A-Za-z0-9]+).*/\1/p' "$work"/src/{mounts,mount_order,overlay,identity}_test.go | only; }

# engine is what runs sandboxes.
engine() {
	local name
	tests service snug "-test.run=$(kernel_tests)"
	for name in snug+internal+child snug+internal+host snug+doctor; do
		tests service "$name"
	done
	skip+="|$ran|$(kernel_tests)" tests service snug
}

crowds() { skip=$elsewhere tests service snug "-test.run=$many"; }

# programs are those that people call.
programs() {
	tests service snug+cmd+bwrap
	skip+="|$ran" tests service snug+cmd+snug
}

# only joins the lines of standard input into an expression for -test.run.
only() { echo "^($(paste -s -d '|'))\$"; }

# groups CONTEXT runs the tests that are about control groups: scripts where people
# call the programs from, the library's everywhere.
groups() {
	local context=$1 name
	for name in $(names); do
		! grep -v -e / -e ManyAtOnce "tests/$name.groups" >/tmp/list || group "$context" "$name" "$(only </tmp/list)"
		case $context in
		service | login)
			! sed -n 's|^txtar/||p' "tests/$name.groups" | grep . >/tmp/list || group "$context" "$name" "^TestScripts\$/$(only </tmp/list)"
			;;
		esac
	done
	[ "$context" != service ] || group service snug '^TestLimitsOfManyAtOnce$'
}

group() {
	tests "$1" "$2" "-test.run=$3"
	[ "$1" != service ] || ran+="|$3"
}

# snug_says NAME STATUS CONTEXT TEXT... -- ARG... wants `snug ARG...` to exit
# with the status and to say all the texts.
snug_says() {
	local name=$SNUG_VM_GUEST/$1 want=$2 context=$3 output status=0 texts=() text bad=0
	shift 3
	while [ "$1" != -- ]; do
		texts+=("$1")
		shift
	done
	shift
	output=$(as "$context" "$work/bin/snug" "$@" 2>&1) || status=$?
	[ $status = "$want" ] || bad=1
	for text in "${texts[@]}"; do
		[[ $output == *"$text"* ]] || bad=1
	done
	[ $bad = 0 ] || printf 'snug %s: exit code %d, wanted %d and all of%s:\n%s\n' "$*" $status "$want" "$(printf ' "%s"' "${texts[@]}")" "$output"
	verdict $bad "$name" 0
}

# limits VALUE... writes a profile with these limits and prints its name.
limits() {
	{
		echo '[limits]'
		printf '%s\n' "$@"
	} >"$work/limits.toml"
	echo "$work/limits.toml"
}

refusals() {
	local drop_in=/etc/systemd/system/user@.service.d controllers='Delegate=cpu cpuset io memory pids'

	variant default
	snug_says default/memory 0 service -- run --memory 64MiB --pids 50 -- true
	snug_says default/cpuset 125 service cpuset "$drop_in" "$controllers" -- run -p default -p "$(limits 'cpuset = "0"')" -- true
	snug_says default/cpuset-login 125 login cpuset "$drop_in" "$controllers" -- run -p default -p "$(limits 'cpuset = "0"')" -- true
	variant full
	snug_says full/cpuset 0 service -- run -p default -p "$(limits 'cpuset = "0"')" -- true

	variant nouserns
	snug_says nouserns/run 125 service 'kernel.unprivileged_userns_clone is 0' 'sysctl -w kernel.unprivileged_userns_clone=1' -- run -- true
	variant userns
	snug_says userns/run 0 service -- run -- true

	snug_says nosess/memory 125 nosess 'there is no user bus' 'systemd-run --user --scope -p Delegate=yes' -- run --memory 64MiB -- true
	snug_says nosess/run 0 nosess -- run -- true
}

# old_groups is for a machine whose controllers are cgroup v1's.
old_groups() {
	snug_says memory 125 service 'cgroup v1 host' -- run --memory 64MiB -- true
	snug_says run 0 service -- run -- true
}

for chapter; do
	if [ "$(date +%s)" -ge "${SNUG_TEST_UNTIL:-99999999999}" ]; then
		echo "LEFT OUT: $chapter on $SNUG_VM_GUEST: the time for the tests on this machine is over"
		continue
	fi
	${chapter/-/ }
done
exit $failed
