#!/usr/bin/env bash
# Shows that the models fail when the code is wrong: makes one change at a time to a copy of the tree and runs the model
# that must notice. A change whose text is not found exactly once, or that does not compile, fails.
#
#   tests/loom/mutants.sh [PART OF A NAME]

set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
only=${1:-}
# One shard for each processor, each with a copy and a target directory of its own.
shards=${MUTANT_SHARDS:-$(nproc)}
if [[ -z ${MUTANT_SHARD:-} ]]; then
  mkdir -p "$CARGO_TARGET_DIR"
  logs=() pids=() failed=0
  for ((i = 0; i < shards; i++)); do
    logs+=("$CARGO_TARGET_DIR/shard-$i.log")
    MUTANT_SHARDS=$shards MUTANT_SHARD=$i CARGO_TARGET_DIR=$CARGO_TARGET_DIR/shard-$i \
      "$root/tests/loom/mutants.sh" "$only" >"${logs[i]}" 2>&1 &
    pids+=($!)
  done
  for ((i = 0; i < shards; i++)); do
    wait "${pids[i]}" || failed=$((failed + 1))
    cat "${logs[i]}"
  done
  passed=$(cat "${logs[@]}" | grep -c '^passed: ' || true)
  echo "$passed mutants noticed, $failed of $shards shards failed"
  [[ $failed == 0 && $passed != 0 ]]
  exit
fi
copy=$CARGO_TARGET_DIR/mutants
passed=0 failed=0 count=0

rm -rf "$copy"
mkdir -p "$copy/tests/loom"
# The crate documents itself with pictures from docs.
cp -r "$root/src" "$root/docs" "$copy"
# The models use its devices.
mkdir -p "$copy/sim/src"
cp -r "$root/sim/src/dma" "$copy/sim/src"
cp -r Cargo.toml Cargo.lock build.rs tests "$copy/tests/loom"

test_copy() { # what to ask of cargo test
  (cd "$copy/tests/loom" && timeout 300 cargo test --release --locked --test models "$@" 2>&1)
}

verdict() { # passed|failed, mutant, what happened
  printf '%s: %s: %s\n' "$@"
  if [[ $1 == passed ]]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

mutant() { # name, the model that must fail, file, text, replacement
  local name=$1 model=$2 file=$3 output status=0
  [[ $name == *"$only"* ]] || return 0
  count=$((count + 1))
  ((count % shards == MUTANT_SHARD)) || return 0
  if ! OLD=$4 NEW=$5 perl -0777 -pe '
    $old = join q(\s+), map { quotemeta } split q( ), $ENV{OLD};
    $n = () = /$old/g;
    die "the text is there $n times\n" if $n != 1;
    s/$old/$ENV{NEW}/' "$root/$file" >"$copy/$file"; then
    verdict failed "$name" "the text to change is not in $file exactly once: $4"
  elif ! output=$(test_copy --no-run); then
    verdict failed "$name" "does not compile: $(grep -m1 '^error' <<<"$output")"
  else
    output=$(test_copy -- --exact "$model") || status=$?
    if [[ $status == 124 ]]; then
      verdict failed "$name" "$model did not end within 300 s"
    elif ! grep -q '^running 1 test' <<<"$output"; then
      verdict failed "$name" "there is no model $model"
    elif [[ $status == 0 ]]; then
      verdict failed "$name" "$model did not notice"
    else
      verdict passed "$name" "$model fails: $(why <<<"$output")"
    fi
  fi
  cp "$root/$file" "$copy/$file"
}

why() { # the message of the first panic, else the signal
  awk '/^thread .* panicked at/ { getline; print; found = 1; exit } /signal: / && !found { print; exit }'
}

model=src/backend/model
ring=$model/ring.rs shared=$model/shared.rs pool=$model/pool.rs frag_page=$model/frag_page.rs
mapping=$model/mapping.rs bulk=$model/bulk.rs zone=$model/zone.rs own=$model/idle.rs
netmem=src/page_pool/netmem.rs shares=src/page_pool/shares.rs idle=src/page_pool/idle.rs parts=src/page_pool/parts.rs

# Where the text has a line break or an indentation, a pattern has a space.

mutant 'the word is published without Release' ring::puts_come_back_through_the_ring $ring \
  'ring.alive.used(); slot.word.store(idle.word().as_ptr(), Release)' \
  'ring.alive.used(); slot.word.store(idle.word().as_ptr(), Relaxed)'
mutant 'the put touches the pool after the word is published' ring::the_ring_closes_while_slots_are_reserved $ring \
  'slot.word.store(idle.word().as_ptr(), Release); return Ok(());' \
  'slot.word.store(idle.word().as_ptr(), Release); ring.head.0.load(Relaxed); ring.alive.used(); return Ok(());'
mutant 'the put looks for room without Acquire' ring::puts_come_back_through_the_ring $ring \
  'ring.head.0.load(Acquire); if tail.wrapping_sub(head) >= ring.capacity {' \
  'ring.head.0.load(Relaxed); if tail.wrapping_sub(head) >= ring.capacity {'
mutant 'the put takes an old look at the ring for full' ring::an_old_look_at_the_ring_does_not_make_it_full $ring \
  'if now == tail { return Err(idle);' \
  'if now == tail || true { return Err(idle);'
mutant 'a slot is reserved without a read-modify-write' ring::the_ring_closes_while_slots_are_reserved $ring \
  'match ring.tail.0.compare_exchange_weak(tail, tail + 1, Relaxed, Relaxed) {' \
  'match { ring.tail.0.store(tail + 1, Relaxed); Ok::<usize, usize>(tail) } {'
mutant 'the consumer takes a word without Acquire' ring::puts_come_back_through_the_ring $ring \
  'NonNull::new(slot.word.load(Acquire)) else' \
  'NonNull::new(slot.word.load(Relaxed)) else'
mutant 'the consumer frees a slot without Release' ring::puts_come_back_through_the_ring $ring \
  'self.head.0.store(head, Release)' \
  'self.head.0.store(head, Relaxed)'
mutant 'there is room for a lap whose slots are not empty' ring::a_long_ring_makes_room_two_slots_at_a_time $ring \
  'let head = next - ((next % self.capacity) & (self.lap - 1));' \
  'let head = next.next_multiple_of(self.lap);'
mutant 'the close does not wait for a slot that is reserved' shutdown::two_puts_against_the_drop_of_the_pool $ring \
  'None => spin(),' \
  'None => return,'
mutant 'the close takes a word without Acquire' shutdown::two_puts_against_the_drop_of_the_pool $ring \
  'match NonNull::new(slot.word.load(Acquire)) {' \
  'match NonNull::new(slot.word.load(Relaxed)) {'
mutant 'the close only looks' shutdown::two_puts_against_the_drop_of_the_pool $ring \
  'self.tail.0.fetch_or(CLOSED, AcqRel) & !CLOSED' \
  'self.tail.0.load(Acquire)'
mutant 'the pool is left without Release' shutdown::two_puts_against_the_drop_of_the_pool $parts \
  'fetch_sub(n, Release) == n {' \
  'fetch_sub(n, core::sync::atomic::Ordering::Relaxed) == n {'
mutant 'the pool is freed without Acquire' shutdown::two_puts_against_the_drop_of_the_pool $parts \
  'fence(Acquire);' \
  ''
mutant 'the pool is left before its memory is' shutdown::two_puts_against_the_drop_of_the_pool $shared \
  'LIVE - held - observers * OBSERVER' \
  'LIVE - observers * OBSERVER'
mutant 'a reference is dropped without Release' references::the_last_two_references_against_the_drop_of_the_pool $idle \
  'count.fetch_sub(n, AcqRel) == n' \
  'count.fetch_sub(n, Acquire) == n'
mutant 'a reference is dropped without Acquire' references::the_last_two_references_against_the_drop_of_the_pool $idle \
  'count.fetch_sub(n, AcqRel) == n' \
  'count.fetch_sub(n, core::sync::atomic::Ordering::Release) == n'
mutant 'the last reference is seen without Acquire' references::the_last_two_references_against_the_drop_of_the_pool $idle \
  'count.load(Acquire) == n' \
  'count.load(Relaxed) == n'
mutant 'a reference is dropped without a read-modify-write' references::get_and_shares_against_the_drop_of_the_pool $idle \
  'count.fetch_sub(n, AcqRel) == n' \
  '{ let now = count.load(Acquire); count.store(now - n, core::sync::atomic::Ordering::Release); now } == n'
mutant 'the count is not 1 again' ring::direct_recycling_against_a_put $idle \
  'if count.fetch_sub(n, AcqRel) == n { count.store(1, Relaxed);' \
  'if count.fetch_sub(n, AcqRel) == n {'
mutant 'direct recycling drops a reference without Release' ring::direct_recycling_and_the_drop_of_the_pool_against_a_put $idle \
  'count.fetch_sub(n, AcqRel) == n' \
  'count.fetch_sub(n, Acquire) == n'
mutant 'direct recycling drops a reference without Acquire' ring::direct_recycling_against_a_put $idle \
  'count.fetch_sub(n, AcqRel) == n' \
  'count.fetch_sub(n, core::sync::atomic::Ordering::Release) == n'
mutant 'direct recycling sees the last reference without Acquire' ring::direct_recycling_against_a_put $idle \
  'count.load(Acquire) == n' \
  'count.load(Relaxed) == n'
mutant 'bytes are given without Acquire' references::bytes_come_after_the_last_use_of_others $netmem \
  'pp_ref_count_ref().load(Acquire) == 1' \
  'pp_ref_count_ref().load(Relaxed) == 1'
mutant 'a put unmaps outside the lock' mappings::a_put_that_leaves_against_the_scrub $mapping \
  'self.mapped.with(|mapped| { if let Some(addr) = mapped.remove(index) {' \
  'drop({ if let Some(addr) = self.mapped.with(|mapped| mapped.remove(index)) {'
mutant 'the scrub does not take what it unmaps' mappings::a_put_that_leaves_against_the_scrub $mapping \
  'for slot in &mut mapped.slots { if let Some(addr) = slot.take() {' \
  'for slot in &mut mapped.slots { if let Some(addr) = *slot {'
mutant 'there is no scrub' mappings::a_put_that_leaves_against_the_scrub $shared \
  'dma.end();' \
  '{ let _ = dma; }'
mutant 'the owner unmaps what a device has' mappings::a_ring_that_stops_against_the_drop_of_the_pool $mapping \
  'self.leave(OWNER);' \
  'self.scrub(); self.leave(OWNER);'
mutant 'the last device that has something leaves it mapped' mappings::a_ring_that_stops_against_the_drop_of_the_pool $mapping \
  'AcqRel) == part {' \
  'AcqRel) == part && part == OWNER {'
mutant 'a device is done with it without Release' mappings::a_ring_that_stops_against_the_drop_of_the_pool $mapping \
  'fetch_sub(part, AcqRel)' \
  'fetch_sub(part, core::sync::atomic::Ordering::Acquire)'
mutant 'it is unmapped without Acquire' mappings::a_ring_that_stops_against_the_drop_of_the_pool $mapping \
  'fetch_sub(part, AcqRel)' \
  'fetch_sub(part, core::sync::atomic::Ordering::Release)'
mutant 'a ring holds nothing' mappings::a_ring_that_stops_against_the_drop_of_the_pool $mapping \
  'self.holders.compare_exchange_weak(holders, holders + 1, Relaxed, Relaxed)' \
  'Ok::<usize, usize>(holders)'
mutant 'a ring takes its part without a read-modify-write' mappings::a_post_against_the_drop_of_the_pool $mapping \
  'match self.holders.compare_exchange_weak(holders, holders + 1, Relaxed, Relaxed) {' \
  'match { self.holders.store(holders + 1, Relaxed); Ok::<usize, usize>(holders) } {'
mutant 'a pool that was dropped is held' mappings::a_post_against_the_drop_of_the_pool $mapping \
  'while holders >= OWNER {' \
  'while holders < usize::MAX {'
mutant 'a word of a batch is published without Release' batches::a_batch_comes_back_through_the_ring $ring \
  'for (slot, idle) in slots.iter().zip(idle) { slot.turn.owned(); slot.word.store(idle.word().as_ptr(), Release)' \
  'for (slot, idle) in slots.iter().zip(idle) { slot.turn.owned(); slot.word.store(idle.word().as_ptr(), Relaxed)'
mutant 'a batch does not go on at the first slot' batches::a_batch_against_a_put $ring \
  '(before, wrapped)' \
  '(after, wrapped)'
mutant 'a batch touches the ring after its last word is published' batches::a_batch_against_the_drop_of_the_pool $ring \
  '} count }' \
  '} ring.alive.used(); count }'
mutant 'a batch touches the pool after its last word is published' batches::a_batch_against_the_drop_of_the_pool $bulk \
  'if rest.len() == 0 { return;' \
  'if rest.len() == 0 { shared.used(); return;'
mutant 'a batch touches the pool after its last piece has left' batches::a_batch_that_does_not_fit_against_the_drop_of_the_pool $bulk \
  'rest.for_each(|idle| Shared::release(idle.any()));' \
  'rest.for_each(|idle| Shared::release(idle.any())); shared.used();'
mutant 'a batch looks for room without Acquire' batches::a_batch_into_a_ring_that_is_too_short $ring \
  'ring.head.0.load(Acquire); // `tail` may be older' \
  'ring.head.0.load(Relaxed); // `tail` may be older'
mutant 'a batch takes an old look at the ring for full' ring::an_old_look_at_the_ring_does_not_make_it_full $ring \
  'if now == tail { return 0;' \
  'if now == tail || true { return 0;'
mutant 'slots of a batch are reserved without a read-modify-write' batches::a_batch_against_a_put $ring \
  'match ring.tail.0.compare_exchange_weak(tail, tail + count, Relaxed, Relaxed) {' \
  'match { ring.tail.0.store(tail + count, Relaxed); Ok::<usize, usize>(tail) } {'
mutant 'slots of a batch are reserved after the ring has closed' batches::a_batch_against_the_drop_of_the_pool $ring \
  'match ring.tail.0.compare_exchange_weak(tail, tail + count, Relaxed, Relaxed) {' \
  'match Ok::<usize, usize>(ring.tail.0.fetch_add(count, Relaxed)) {'
mutant 'a batch reserves more slots than there are' batches::a_batch_into_a_ring_that_is_too_short $ring \
  'let count = idle.len().min(room);' \
  'let count = idle.len();'
mutant 'a batch puts what others still have' batches::a_batch_with_one_of_two_references $bulk \
  'let idle = memory.into_idle()?;' \
  'let raw = memory.raw(); drop(memory.into_idle()); let idle = unsafe { Idle::<K>::new(raw) };'
mutant 'a batch drops a reference without Release' batches::a_batch_with_one_of_two_references $idle \
  'count.fetch_sub(n, AcqRel) == n' \
  'count.fetch_sub(n, Acquire) == n'
mutant 'a batch drops a reference without Acquire' batches::a_batch_with_one_of_two_references $idle \
  'count.fetch_sub(n, AcqRel) == n' \
  'count.fetch_sub(n, core::sync::atomic::Ordering::Release) == n'
mutant 'a batch goes to the pool of its first word' batches::batches_of_two_pools_against_the_drop_of_one $bulk \
  'if *pool.get_or_insert(of) == of && idle' \
  'if (*pool.get_or_insert(of) == of || true) && idle'
mutant 'a batch forgets the other pool' batches::batches_of_two_pools_against_the_drop_of_one $bulk \
  'if others.len() != 0 {' \
  'if others.len() != 0 && false {'
mutant 'the rest of a batch goes to the pool of its first word' batches::a_batch_of_three_pools_against_the_drop_of_one $bulk \
  'if idle.pool() != pool {' \
  'if idle.pool() != pool && false {'
mutant 'the rest of a batch may stay without being asked' batches::a_batch_with_pages_that_mm_counts_on $bulk \
  '} else if idle.can_stay() {' \
  '} else if true {'
mutant 'a batch is not asked whether it may stay' batches::a_batch_with_pages_that_mm_counts_on $bulk \
  'if *pool.get_or_insert(of) == of && idle.can_stay() {' \
  'if *pool.get_or_insert(of) == of {'
mutant 'a page of another node stays' ring::pages_of_another_node_come_back_through_the_ring $pool \
  '|memory| is_on_node(memory, nid)' \
  '|memory| is_on_node(memory, nid) || true'
mutant 'the refill goes on behind a page of another node' ring::pages_of_another_node_come_back_through_the_ring $ring \
  'other = Some(idle);' \
  'other = Some(idle); continue;'
mutant 'a look at the shutdown is without Acquire' shutdown::the_last_put_against_a_look_at_the_shutdown $parts \
  'self.parts.load(Acquire)' \
  'self.parts.load(core::sync::atomic::Ordering::Relaxed)'
mutant 'the last piece is counted down without Release' shutdown::the_last_put_against_a_look_at_the_shutdown $parts \
  'fetch_sub(n, Release) == n {' \
  'fetch_sub(n, core::sync::atomic::Ordering::Relaxed) == n {'
mutant 'who looks on has no part in the pool' shutdown::two_puts_against_a_shutdown_that_is_kept $shared \
  'LIVE - held - observers * OBSERVER' \
  'LIVE - held - observers * 0'
mutant 'who looks on leaves a part behind' shutdown::the_last_put_against_a_look_at_the_shutdown $shared \
  'unsafe { Parts::end(this, OBSERVER, Shared::report_end) }' \
  'unsafe { Parts::end(this, OBSERVER - 1, Shared::report_end) }'
mutant 'one who looked on still counts as a piece' shutdown::hooks_see_one_end $shared \
  'self.held.load(Relaxed) - (parts & (OBSERVER - 1))' \
  'self.held.load(Relaxed) + 1 - (parts & (OBSERVER - 1))'
mutant 'what the owner left is seen without Acquire' shutdown::hooks_see_one_end $parts \
  'self.parts.load(Acquire)' \
  'self.parts.load(core::sync::atomic::Ordering::Relaxed)'
mutant 'hooks are told of the end without Acquire' shutdown::hooks_see_one_end $parts \
  'fence(Acquire); // Nobody else owns a part any more, so the reference is good until the value is freed. last(parts);' \
  'last(parts); fence(Acquire);'
mutant 'a fragment page is cut again without Acquire' fragments::a_fragment_page_is_cut_again_after_its_last_use $shares \
  'pp_ref_count_ref().load(Acquire) == self.left' \
  'pp_ref_count_ref().load(core::sync::atomic::Ordering::Relaxed) == self.left'
mutant 'a fragment page is cut again without Acquire, after two' fragments::a_fragment_page_is_cut_again_after_two_last_uses $shares \
  'pp_ref_count_ref().load(Acquire) == self.left' \
  'pp_ref_count_ref().load(core::sync::atomic::Ordering::Relaxed) == self.left'
mutant 'a fragment page is cut again while one fragment is out' fragments::a_fragment_page_is_cut_again_after_two_last_uses $shares \
  'pp_ref_count_ref().load(Acquire) == self.left' \
  'pp_ref_count_ref().load(Acquire) <= self.left + 1'
mutant 'a fragment page is cut again while mm counts on it' fragments::a_fragment_page_is_not_cut_again_while_mm_counts_on_it $frag_page \
  'if !unsafe { shares.alone() }.is_some_and(can_stay) {' \
  'if unsafe { shares.alone() }.is_none() {'
mutant 'an area is left without Release' areas::an_area_dropped_on_three_threads $parts \
  'fetch_sub(n, Release) == n {' \
  'fetch_sub(n, core::sync::atomic::Ordering::Relaxed) == n {'
mutant 'an area is freed without Acquire' areas::an_area_dropped_on_three_threads $parts \
  'fence(Acquire);' \
  ''
mutant 'mm drops a reference without Release' mm::the_last_two_references_of_mm $model/mod.rs \
  'count.fetch_sub(1, Release) == 1' \
  'count.fetch_sub(1, Relaxed) == 1'
mutant 'mm frees a page without Acquire' mm::the_last_two_references_of_mm $model/mod.rs \
  'if count.fetch_sub(1, Release) == 1 { fence(Acquire);' \
  'if count.fetch_sub(1, Release) == 1 {'
mutant 'mm allocates a page without Release' mm::a_look_up_against_a_free $zone \
  'what was written above. head.refcount_ref().store(1, Release)' \
  'what was written above. head.refcount_ref().store(1, Relaxed)'
mutant 'mm looks a page up without Acquire' mm::a_look_up_against_a_free $zone \
  'compare_exchange_weak(count, count + 1, Acquire, Relaxed)' \
  'compare_exchange_weak(count, count + 1, Relaxed, Relaxed)'
mutant 'mm does not look whether the block has the address' mm::a_look_up_against_a_free $zone \
  'inside.then_some(page)' \
  '{ let _ = inside; Some(page) }'
mutant 'the pool asks mm without Acquire' mm::references_of_mm_against_a_put src/mm/page.rs \
  'compound_head(page).refcount_ref().load(Acquire)' \
  'compound_head(page).refcount_ref().load(Relaxed)'
mutant 'the pool keeps a page without Acquire' fragments::a_fragment_page_is_not_cut_again_while_mm_counts_on_it $own \
  'head.refcount_ref().load(Acquire) == 1 &&' \
  'head.refcount_ref().load(Relaxed) == 1 &&'

echo "shard $MUTANT_SHARD: $passed passed, $failed failed"
[[ $failed == 0 ]]
