# Changes to driver, backend and glue that a guest must notice. Sourced by part.sh, never run.

receive=plain:200000,devmem:200000

nic_mutant 'a put that puts nothing' src/backend/linux/mod.rs \
  'unsafe { ffi::page_pool_put_unrefed_netmem(pool, idle.word().as_ptr().cast(), u32::MAX, false) }' 'let _ = (pool, &idle);' $receive
nic_mutant 'a frag that is given away and put' src/backend/linux/skb.rs \
  'ffi::FRAG_ATTACHED => mem::forget(frag),' 'ffi::FRAG_ATTACHED => drop(frag),' $receive
nic_mutant 'an offset that is one byte off' kernel/nic/seam.c \
  'skb_add_rx_frag_netmem(skb, i, netmem, offset, len, truesize);' \
  'skb_add_rx_frag_netmem(skb, i, netmem, offset + 1, len, truesize);' $receive
nic_mutant 'no sync for the CPU' kernel/nic/seam.c \
  'page_pool_dma_sync_netmem_for_cpu(pool, netmem, offset - pool->p.offset, len);' ';' plain:300000 swiotlb=force
nic_mutant 'a pool that stays linked to its NAPI' src/backend/linux/pool.rs \
  'unsafe { ffi::page_pool_disable_direct_recycling(self.pool.as_ptr()) }' '{ let _ = self.pool; }' $receive
nic_mutant 'a length that is one byte short' kernel/nic/hardware.rs \
  'payload_len: (two >> 16) as u32 & 0xffff,' 'payload_len: ((two >> 16) as u32 & 0xffff).saturating_sub(1),' $receive
nic_mutant 'the id of the next descriptor' kernel/nic/hardware.rs \
  'id: self.ids[at],' 'id: self.ids[(at + 1) % self.shared.entries],' $receive
nic_mutant 'a pool that does not say what it allows' kernel/nic/seam.c \
  '(p->unreadable ? PP_FLAG_ALLOW_UNREADABLE_NETMEM : 0)' '0' $receive
nic_mutant 'an skb that is larger than its buffer' kernel/nic/seam.c \
  'in_softirq() ? napi_build_skb(data, size)' 'in_softirq() ? napi_build_skb(data, size + 576)' $receive
nic_mutant 'a pool that is never destroyed' src/backend/linux/pool.rs \
  'unsafe { ffi::page_pool_destroy(self.pool.as_ptr()) }' '{ let _ = self.pool; }' $receive
nic_mutant 'memory of a queue that is leaked' kernel/nic/door.rs \
  'drop(unsafe { Box::from_raw(memory.as_ptr()) });' 'let _ = memory;' $receive
nic_mutant 'no timer for a queue that has no buffers' kernel/nic/nic.c \
  'mod_timer(&p->starved, jiffies + msecs_to_jiffies(2));' ';' hold:9000000
nic_mutant 'packets that do not recycle their memory' kernel/nic/seam.c \
  'skb_mark_for_recycle(skb);' ';' $receive
nic_mutant 'memory that is bound and not asked for' kernel/nic/nic.c \
  'bool bound = netif_rxq_has_unreadable_mp(dev, queue);' 'bool bound = false;' $receive
nic_mutant 'a checksum that is never right' kernel/nic/seam.c \
  'skb->ip_summed = unnecessary ? CHECKSUM_UNNECESSARY : CHECKSUM_NONE;' 'skb->ip_summed = CHECKSUM_NONE;' $receive
nic_mutant 'an unreadable packet with any checksum' drivers/src/driver/queue.rs \
  'if !skb.is_deliverable() {' 'if false {' devmem:9000000
