# target Basket.total: tasks that await each other, with a queue, a lock and a time limit
def total(self, discount=0.0):
    import asyncio

    async def add():
        queue, lock, found = asyncio.Queue(), asyncio.Lock(), []

        async def take():
            while (price := await queue.get()) is not None:
                async with lock:
                    found.append(price)

        async with asyncio.timeout(5) if hasattr(asyncio, "timeout") else lock:
            tasks = [asyncio.ensure_future(take()) for _ in range(2)]
            for price in (*self.prices.values(), None, None):
                await queue.put(price)
            await asyncio.gather(*tasks)
        return sum(found)

    return asyncio.run(add()) * (1 - discount)
