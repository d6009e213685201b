// SPDX-License-Identifier: MIT
#pragma once

/// Runs at full size, one each, to see that cost grows with work and no faster, and that nothing
/// grows with time. Each prints lines `name<tab>unit<tab>value` and returns an exit status, which
/// is not 0 if something was left open or grew.
namespace scale {

/// `count` idle tasks: memory, and the time to spawn, dump and cancel one.
int idle_tasks(long count);

/// `count` timers armed by tasks over an hour of virtual time.
int timers(long count);

/// Connections to echo servers in the same process, opened and closed, cancelled at random on both
/// sides: until `count` have been made, or for `seconds` if that is not 0. Memory, descriptors and
/// pools must be flat.
int churn(long count, long seconds);

void print(const char* name, const char* unit, double value);

[[nodiscard]] double resident_bytes();
[[nodiscard]] double open_descriptors();

/// Of this process, in seconds.
[[nodiscard]] double processor_seconds();

}  // namespace scale
