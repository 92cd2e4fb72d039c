// SPDX-License-Identifier: Apache-2.0
// node zoo_node.js server PORT | spin NAME | workers NAME | cluster NAME. Says "ready" when it is.
'use strict';

// Under another name each time, so that a test can tell processes apart by their functions. The outer one is too long
// for V8 to make it a part of its caller, which has one name for all.
function busy(name) {
  const ballast = 'sum ^= n; '.repeat(200);
  const source = `
    (function outer_${name}() {
      function ${name}(n) { let x = 1; for (let i = 0; i < n; i++) x = (x * 31 + i * i) % 1000003; return x; }
      function around_${name}(n) { let sum = 0; ${ballast} for (let i = 0; i < 20; i++) sum += ${name}(n); return sum; }
      return around_${name};
    })()`;
  return require('vm').runInThisContext(source, { filename: `/zoo/${name}.js` });
}

// Returns to the event loop in between, as servers do.
function spin(name) {
  const work = busy(name);
  const until = Date.now() + 110000;
  (function again() {
    for (let i = 0; i < 100; i++) work(2000);
    if (Date.now() < until) setImmediate(again);
  })();
}

function serve(port) {
  const work = busy('burn');
  require('http').createServer((request, response) => {
    const items = [];
    for (let i = 0; i < 50; i++) items.push({ id: i, name: `item ${i}` });
    response.end(JSON.stringify({ sum: work(2000), items }));
  }).listen(port, '127.0.0.1', () => console.log('ready'));
}

function startWorkers(name) {
  const threads = require('worker_threads');
  if (threads.isMainThread) {
    let left = 2;
    for (let i = 0; i < 2; i++) {
      const worker = new threads.Worker(__filename, { argv: ['workers', `${name}${i}`] });
      worker.on('message', () => --left || console.log('ready'));
    }
  } else {
    spin(name);
    threads.parentPort.postMessage('spins');
  }
}

function startCluster(name) {
  const cluster = require('cluster');
  if (cluster.isPrimary) {
    let left = 2;
    cluster.on('message', () => --left || console.log('ready'));
    for (let i = 0; i < 2; i++) cluster.fork({ ZOO_NAME: `${name}${i}` });
    setTimeout(() => process.exit(), 110000);
  } else {
    spin(process.env.ZOO_NAME);
    process.send('spins');
  }
}

const [mode, argument] = process.argv.slice(2);
if (mode === 'server') serve(Number(argument));
if (mode === 'workers') startWorkers(argument);
if (mode === 'cluster') startCluster(argument);
if (mode === 'spin') {
  spin(argument);
  console.log('ready');
}
