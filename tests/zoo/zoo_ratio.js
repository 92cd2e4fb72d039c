// SPDX-License-Identifier: Apache-2.0
// The server of zoo_ratio.c in JavaScript: /zero, /one and /ten cost so many units, /costs tells what they
// took by the process's clock. Prints its port.
// So many that what node does for any request, dearer for the first after a pause, hardly counts.
const rounds = {'/zero': 0, '/one': 2400000, '/ten': 24000000};
function burn(rounds) {
  let x = 1;
  for (let i = 0; i < rounds; i++) x = (Math.imul(x, 1103515245) + 12345) | 0;
  return x;
}
const costs = {zero: [0, 0], one: [0, 0], ten: [0, 0]};
const server = require('http').createServer((request, response) => {
  if (request.url == '/costs') return response.end(JSON.stringify(costs));
  const begin = process.cpuUsage(), cost = costs[request.url.slice(1)];
  response.end(burn(rounds[request.url]) ? 'ok' : 'no');
  const used = process.cpuUsage(begin);
  cost[0] += 1000 * (used.user + used.system);
  cost[1]++;
}).listen(0, '127.0.0.1', () => console.log(server.address().port));
