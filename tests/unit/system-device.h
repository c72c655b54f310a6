/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look into a device. By itself, since the backend's internals and the
 * broker's do not go together in one file.
 */
#ifndef SYSTEM_DEVICE_H
#define SYSTEM_DEVICE_H

#include <stdint.h>

struct device;

/* Slots of both rings that were taken in or answered since it connected. */
uint64_t device_slots(const struct device *dev);

#endif
