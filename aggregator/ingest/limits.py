"""Every limit that a batch of an agent is held to, and what happens beyond it.

Beyond a limit of the batch it is REFUSED; beyond a limit of a reading that reading is quarantined and the rest is kept.
What an agent seals at (256 KiB, 5,000 readings, 60 s) is the agent's business and well below these.
"""

MICROSECONDS_PER_SECOND = 1_000_000
_DAY_US = 86_400 * MICROSECONDS_PER_SECOND

# Of a batch.
PAYLOAD_BYTES_MAX = 1024 * 1024
READINGS_PER_BATCH_MAX = 20_000
TICKS_PER_BATCH_MAX = 5_000
COLLECTORS_PER_TICK_MAX = 64
ASSETS_PER_BATCH_MAX = 10_000
SERIES_PER_BATCH_MAX = 10_000
# A counter that catches up 400 days touches 124,800 slots; nothing honest touches twice as many.
SLOTS_PER_BATCH_MAX = 250_000
SEQUENCE_MAX = 2**62
EPOCH_BYTES = 16
SHA256_BYTES = 32

# Of a reading. 2^53: what any language reads without loss.
VALUE_MAX = 2**53
AHEAD_US_MAX = 600 * MICROSECONDS_PER_SECOND
SPAN_US_MAX = 400 * _DAY_US
# Slots are kept for seven years; an older reading has none to go to.
AGE_US_MAX = 7 * 366 * _DAY_US
# The years 1 to 9999: what both the database and Python can hold. Wilder times are pulled in to it, and quarantined.
TIME_US_MIN = -62_135_596_800 * MICROSECONDS_PER_SECOND
TIME_US_MAX = 253_402_300_799 * MICROSECONDS_PER_SECOND

# Of a clock. Beyond the first the difference is told, beyond the second times are worked out from the time since boot.
OFFSET_FLAGGED_US_MIN = 2 * MICROSECONDS_PER_SECOND
OFFSET_CORRECTED_US_MIN = 60 * MICROSECONDS_PER_SECOND
# Of a clock's reading as sent, either way from 1970: some 36,000 years, so that sums of three fit in 64 bits.
CLOCK_US_MAX = 2**60

# Of an agent.
SERIES_PER_AGENT_MAX = 10_000
# Above it suppressions say *at least* so many assets.
SUPPRESSED_ASSETS_PER_AGENT_MAX = 10_000
# Above it the day's (UTC) quarantined readings are only counted.
QUARANTINED_PER_DAY_MAX = 100_000
CONFLICTS_PER_AGENT_MAX = 100
HEARTBEAT_SECONDS_MIN = 5.0
EPOCHS_PER_AGENT_MAX = 1_000
EPOCHS_PER_HELLO_MAX = 100
REJECTED_BATCHES_PER_AGENT_MAX = 100

# Of texts, in characters. Labels beyond the first so many, by key, are left out.
NAME_CHARACTERS_MAX = 128
LABEL_CHARACTERS_MAX = 256
DETAIL_CHARACTERS_MAX = 500
LABELS_MAX = 64

# Of an acknowledgement: groups of rejected readings, most numerous first. The totals count all.
REJECTED_GROUPS_MAX = 100
