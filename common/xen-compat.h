/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What ring.h and code that is compiled into kernel and userspace alike need
 * from their surroundings. Include it before <xen/io/vmsgif.h>.
 *
 * The barriers: the other end of a ring runs on another vCPU, so userspace
 * needs the SMP barriers. Xen's own names have been these since
 * __XEN_INTERFACE_VERSION__ 0x00040400; the kernel's ring.h brings virt_*().
 */
#ifndef XENMSG_COMMON_XEN_COMPAT_H
#define XENMSG_COMMON_XEN_COMPAT_H

#ifdef __KERNEL__

#include <asm/barrier.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/types.h>

/* Also in a kernel for one processor, since the host may have more. */
#define xen_mb()  virt_mb()
#define xen_rmb() virt_rmb()
#define xen_wmb() virt_wmb()

#ifndef UINT16_MAX
#define UINT16_MAX U16_MAX
#define UINT32_MAX U32_MAX
#define UINT64_MAX U64_MAX
#endif

#else /* userspace */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
/* x86 keeps stores in order and loads in order: only the compiler may not move them. */
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_signal_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_signal_fence(__ATOMIC_RELEASE)
#else
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

#ifndef READ_ONCE
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#endif

#endif /* __KERNEL__ */

/*
 * Memory that the other domain can write. clang --analyze / -Wattributes users
 * see the mark; only the one file per side that reads rings dereferences it.
 */
#if defined(__CHECKER__)
#define __guest __attribute__((noderef, address_space(__guest)))
#elif defined(__clang__) && __has_attribute(noderef) && !defined(__KERNEL__)
#define __guest __attribute__((noderef))
#else
#define __guest
#endif

#endif /* XENMSG_COMMON_XEN_COMPAT_H */
