// SPDX-License-Identifier: Apache-2.0
// java Zoo PORT: an HTTP server. java Zoo spin: burns CPU in compiled code. Both say "ready".

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

public class Zoo {
    static int burn(int n) {
        int x = 1;
        for (int i = 0; i < n; i++) x = (x * 31 + i * i) % 1000003;
        return x;
    }

    static String render(int n) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < n; i++) text.append("{id:").append(i).append('}');
        return text.toString();
    }

    static void spin() {
        long sum = 0, until = System.nanoTime() + 110_000_000_000L;
        System.out.println("ready");
        while (System.nanoTime() < until) sum += burn(2000) + render(20).length();
        System.err.println(sum);
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("spin")) {
            Thread[] threads = new Thread[2];
            for (int i = 0; i < threads.length; i++) (threads[i] = new Thread(Zoo::spin)).start();
            return;
        }
        int port = Integer.parseInt(arguments[0]);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 64);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> {
            byte[] body = (burn(1000000) + render(200)).getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        System.out.println("ready");
    }
}
