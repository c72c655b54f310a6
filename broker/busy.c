// SPDX-License-Identifier: GPL-2.0-or-later
/* See busy.h. */
#include "broker/busy.h"

#include "broker/broker.h"
#include "broker/peer.h"
#include "common/macros.h"

/* Lets the other thread of the core run, and the line of the ring arrive. */
static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__asm__ volatile("yield" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

void busy_begin(struct broker *broker)
{
	struct busy *busy = &broker->busy_poll;

	busy->on = broker->config->busy_poll &&
		   (busy->vain < BUSY_PATIENCE || ++busy->chance % BUSY_RETRY == 0);
}

bool busy_watch(struct peer *peer)
{
	if (!peer->broker->busy_poll.on)
		return false;
	if (list_empty(&peer->watched))
		list_add_tail(&peer->broker->watched, &peer->watched);
	return true;
}

/* Requests, or the pages that messages wait for. */
static bool has_work(const struct peer *peer)
{
	return device_waiting(peer->dev, peer_is_starved(peer));
}

/* False: it is not up, or waits for tokens, which no turn now would change. */
static bool kick(struct broker *broker, struct peer *peer)
{
	if (!peer->up || !list_empty(&peer->kicked))
		return false;
	/* As if it had sent the event that it was not asked for. */
	peer->pressed = true;
	list_add_tail(&broker->kicked, &peer->kicked);
	return true;
}

/* Once at each; their number. */
static unsigned int look(struct broker *broker, bool *found)
{
	unsigned int looks = 0;
	struct peer *peer;

	list_for_each_entry(peer, &broker->watched, watched) {
		looks++;
		if (has_work(peer) && kick(broker, peer))
			*found = true;
	}
	return looks;
}

/* What comes from here on is an event. */
static bool arm_all(struct broker *broker)
{
	bool found = false;

	while (!list_empty(&broker->watched)) {
		struct peer *peer = list_first_entry(&broker->watched, struct peer, watched);

		list_del(&peer->watched);
		if (device_arm(peer->dev) && kick(broker, peer))
			found = true;
	}
	return found;
}

bool busy_look(struct broker *broker)
{
	struct busy *busy = &broker->busy_poll;
	unsigned int left = broker->config->busy_poll;
	bool found = false;

	if (list_empty(&broker->watched))
		return false;
	while (left && !found) {
		unsigned int looks = look(broker, &found);

		left -= MIN_OF(left, looks);
		relax();
	}
	if (found) {
		busy->vain = 0;
		busy->found++;
		return true;
	}
	busy->missed++;
	if (busy->vain < BUSY_PATIENCE)
		busy->vain++;
	return arm_all(broker);
}
