// SPDX-License-Identifier: GPL-2.0-or-later
#include "internal.h"

void sim_store_mapped(struct sim_process *process)
{
	(void)process;
}

void sim_store_forget(struct sim_process *process)
{
	(void)process;
}

bool sim_kill_at_store(struct sim_process *process, unsigned int n)
{
	(void)process;
	return !n;
}
